import re
from pathlib import Path

import pytest

from pipeline.report.html import html_report
from pipeline.report.markdown import markdown_report
from pipeline.report.pick_sentence import pick_notes, pick_sentence
from pipeline.report.rows import Report, Row
from pipeline.report.terminal import plain_report
from tests.pipeline.report.conftest import latency, metrics


@pytest.fixture
def with_cut(report: Report) -> Report:
    """With a cut that is faster than the pick and better."""
    cut = {"name": "L3xD384-fp32", "layers": 3, "latency_ms": latency(0.65), "metrics": metrics(0.862)}
    more = (*report.rows, report.row("L6xD384-fp32").model_copy(update=cut))
    return report.model_copy(update={"rows": more}).placed(Path("runs/x"))


def test_one_sentence_holds_the_pick_and_the_rule(report: Report) -> None:
    said = pick_sentence(report)
    assert said.startswith("Ship L6xD384-int8 (22.3 MiB): it reaches Spearman 85.50")
    assert said.endswith("; chosen as the fastest within a point of the student.")
    assert said.count(". ") == 0


def test_no_pick_is_said_with_the_reason(report: Report) -> None:
    none = report.model_copy(update={"selected": None, "selected_because": "too slow"})
    assert pick_sentence(none) == "Ship nothing: no artifact fits the budget (too slow)."


def test_a_faster_and_better_cut_stands_beside_the_pick(with_cut: Report) -> None:
    assert pick_notes(with_cut) == [
        "L3xD384-fp32 is 2.0× as fast for one text and 0.70 points better on stsb/test; a budget picks it: "
        "decant pick runs/x --max-latency-ms 0.65."
    ]
    assert pick_notes(with_cut.model_copy(update={"selected": "L3xD384-fp32"})) == []


def test_a_run_that_is_not_known_is_named_by_its_recipe(with_cut: Report) -> None:
    read = Report.model_validate_json(with_cut.model_dump_json())
    assert "decant pick runs/stsb --max" in pick_notes(read)[0]


def test_what_would_get_there_stands_beside_no_pick(report: Report) -> None:
    recipe = {**report.recipe, "budget": {"latency_ms": 1}}
    none = report.model_copy(update={"selected": None, "selected_because": "infeasible: x", "recipe": recipe})
    assert pick_notes(none) == [
        "What would get there: fewer than 6 layers (export.cuts), int8-row in export.precisions or a looser limit "
        "(latency 2.7 ms)."
    ]
    unreadable = none.model_copy(update={"recipe": {**recipe, "budget": {"max_loss": 1}}, "rows": report.rows[:1]})
    assert pick_notes(unreadable) == []


def test_every_rendering_says_the_same(with_cut: Report) -> None:
    rows = (*with_cut.rows, Row(name="start model", kind="baseline", metrics=metrics(0.9)))
    worse = with_cut.model_copy(update={"rows": rows})
    sentences = [pick_sentence(worse), *pick_notes(worse)]
    assert len(sentences) == 3
    assert plain_report(worse).endswith("\n" + "\n".join(sentences))
    written = markdown_report(worse).replace("\\", "")
    page = html_report(worse, folder="runs/x")
    words = re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", page[: page.index("<script")])).replace("&#39;", "'")
    for sentence in sentences:
        assert sentence in written
        assert sentence in words
