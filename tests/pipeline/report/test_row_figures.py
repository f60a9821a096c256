from pipeline.report.row_figures import row_figures
from pipeline.report.rows import Report


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
