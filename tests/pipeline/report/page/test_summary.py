import pytest

from pipeline.report.page.page_rows import PageRun
from pipeline.report.page.summary import cautions, compared_sentence
from pipeline.report.rows import Report


def test_the_most_accurate_and_the_fastest_pick_of_several_runs(report: Report) -> None:
    first, second = (
        PageRun(report, label="a"),
        PageRun(report.model_copy(update={"selected": "L6xD384-fp32"}), label="b"),
    )
    assert compared_sentence([first, second]) == (
        "Of 2 runs' picks b's L6xD384-fp32 (Spearman 86.00, 2.70 ms for one text) is the most accurate, and a's "
        "L6xD384-int8 (Spearman 85.50, 1.30 ms for one text) the fastest."
    )
    none = PageRun(report.model_copy(update={"selected": None}), label="c")
    assert compared_sentence([first, none]).endswith("is both the most accurate and the fastest.")
    assert compared_sentence([none, none]) == "Of these 2 runs none has a pick with both accuracy and latency."


@pytest.mark.parametrize(
    ("digests", "said"),
    [
        (["x", "x"], "All runs were tested on the same pairs."),
        (["x", "y"], "The runs were tested on different pairs: their accuracies do not compare."),
        (["x", None], "Whether all runs were tested on the same pairs is not known: no digest of run1."),
    ],
)
def test_whether_the_test_pairs_are_the_same_is_said(report: Report, digests: list[str | None], said: str) -> None:
    runs = [
        PageRun(report.model_copy(update={"data_sha256": {"test": one} if one else {}}), label=f"run{index}")
        for index, one in enumerate(digests)
    ]
    assert cautions(runs)[0] == said


def test_different_machines_are_named(report: Report) -> None:
    other = report.model_copy(update={"environment": report.environment.model_copy(update={"threads": 8})})
    runs = [PageRun(report, label="a"), PageRun(other, label="b")]
    assert "a: Some CPU, 2 threads; b: Some CPU, 8 threads" in cautions(runs)[1]
    assert cautions(runs[:1]) == []


def test_a_pick_whose_files_are_gone_is_a_caution(report: Report) -> None:
    gone = {report.selected: "runs/a/artifacts/L6xD384-int8 is gone", "student": "runs/a/student is gone"}
    runs = [PageRun(report, label="a", gone=gone), PageRun(report, label="b", gone={"student": "x is gone"})]
    assert cautions(runs)[2:] == ["a's pick cannot be shipped: runs/a/artifacts/L6xD384-int8 is gone."]
