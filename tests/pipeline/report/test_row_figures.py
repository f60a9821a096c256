from pipeline.measure.set_metrics import SetMetrics
from pipeline.report.row_figures import row_figures
from pipeline.report.rows import Report, Row


def test_figures_that_the_table_has_no_room_for(report: Report) -> None:
    told = dict(row_figures(report.row("L6xD384-int8")))
    assert told["Pearson, stsb/test"] == "84.50"
    assert told["of the teacher, stsb/test"] == "100.6 %"
    assert told["batch of 1"] == "1.30 ms median, 2.60 ms for 95 of 100"
    assert told["trained on this task's labels"] == "yes"
    assert told["lowest cosine of a text alone to itself in a batch"] == "0.989660"
    assert told["tokenizer + encoder + pooling"] == "0.13 + 1.04 + 0.13 ms"
    assert told["one text of 8 / 128 tokens"] == "1.10 / 4.40 ms"
    assert "" not in told.values()


def test_a_threshold_stands_with_its_precision_and_recall() -> None:
    measured = SetMetrics(
        metric="f1", examples=80, f1=0.83, accuracy=0.9, precision=0.8, recall=0.862, threshold=0.71234,
        ci95=(0.8, 0.85),
    )  # fmt: skip
    told = dict(row_figures(Row(name="a", kind="artifact", metrics={"quora/test": measured})))
    assert told["F1, quora/test"] == "83.00 (95 % interval 80.00 to 85.00)"
    assert (told["Precision, quora/test"], told["Recall, quora/test"]) == ("80.00", "86.20")
    assert told["threshold, chosen on dev, quora/test"] == "0.7123"
