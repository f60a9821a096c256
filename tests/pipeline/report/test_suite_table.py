"""The table of a suite: means by hand, shares of the teacher's, and rows that were not measured on all of it."""

from typing import Any

import pytest

from decant.table import MISSING, Table
from pipeline.measure.set_metrics import SetMetrics
from pipeline.report.glossary import explained
from pipeline.report.rows import Report
from pipeline.report.suite_table import report_suite, suite_table

NAMES = ["stsb", "scifact"]


def measured(metric: Any, value: float) -> SetMetrics:
    content = {"metric": metric, "examples": 300, metric: value, "ci95": (value - 0.02, value + 0.01)}
    return SetMetrics.model_validate(content)


def row(stsb: float, scifact: float) -> dict[str, SetMetrics]:
    return {"stsb": measured("spearman", stsb), "scifact": measured("ndcg_at_10", scifact)}


def texts(table: Table) -> list[list[str]]:
    return [[cell.text for cell in line.cells] for line in table.lines]


def test_the_mean_counts_every_set_alike_and_is_a_share_of_the_teachers() -> None:
    rows = {"teacher": row(0.8, 0.6), "student": row(0.76, 0.5), "part": {"stsb": measured("spearman", 0.9)}}
    table = suite_table(NAMES, rows, "teacher")
    assert [column.header for column in table.columns] == ["model", "mean", "of the teacher's", *NAMES]
    assert texts(table) == [
        ["teacher", "70.00", "100.0 %", "80.00", "60.00"],
        ["student", "63.00", "90.0 %", "76.00", "50.00"],
        ["part", MISSING, MISSING, "90.00", MISSING],
    ]
    assert table.lines[1].cells[-1].notes == ("±1.5",)
    assert table.legend[0] == "×100: stsb Spearman (300 examples), scifact nDCG@10 (300 queries)."


def test_without_a_teacher_there_are_no_shares() -> None:
    table = suite_table(NAMES, {"student": row(0.76, 0.5)}, None)
    assert [column.header for column in table.columns] == ["model", "mean", *NAMES]


def test_a_report_shows_the_sets_of_its_recipe_alone(report: Report) -> None:
    assert report_suite(report).lines == ()
    rows = [
        one.model_copy(update={"metrics": one.metrics | row(0.8, 0.6)}) if one.kind == "teacher" else one
        for one in report.rows
    ]
    update = {"rows": tuple(rows), "recipe": report.recipe | {"measure": {"sets": {"scifact": {}}}}}
    (line,) = texts(report_suite(report.model_copy(update=update)))
    assert line[1:] == ["60.00", "100.0 %", "60.00"]


@pytest.mark.parametrize("word", ["mean", "of the teacher's", "The suite", "MRR@10", "MAP@1000", "Recall@100"])
def test_its_words_are_explained(word: str) -> None:
    assert explained(word)
