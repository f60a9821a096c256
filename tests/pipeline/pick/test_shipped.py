import shutil
from pathlib import Path

import pytest

from pipeline.pick.budget import Budget
from pipeline.pick.shipped import last_lines, shipped, stated_budget
from pipeline.report.rows import Report, write_report_json
from tests.pipeline.pick.test_budget import ROWS, artifact
from tests.pipeline.report.conftest import environment as environment
from tests.pipeline.report.conftest import report as report
from tests.pipeline.report.conftest import stand_artifacts
from tests.tiny_runs import decant

AGAIN = "the run's own command makes it again"


def test_without_a_budget_the_fastest_of_the_whole_depth_is_shipped() -> None:
    choice = shipped(ROWS, None)
    assert choice.selected == ROWS[1]
    assert choice.because.endswith(
        "whose vectors do not depend on the batch, of the whole depth; a budget can pick a cut"
    )
    alone = shipped([artifact(6, 0.8, 2), artifact(6, 0.9, 3, dim=64)], None)
    assert alone.selected is not None
    assert (alone.selected.dim, alone.because) == (384, "the fastest artifact whose vectors do not depend on the batch")
    assert shipped(ROWS[:1], None).because == "no artifact gives a text the same vector alone and in a batch"
    assert shipped(ROWS, Budget(dim=64)).selected == ROWS[3]


@pytest.mark.parametrize("recipe", [{}, {"budget": None}, {"budget": {"min": 0.2}}, {"budget": 3}])
def test_a_recipe_without_a_budget_that_can_be_read(recipe: dict[str, object]) -> None:
    assert stated_budget(recipe) is None  # type: ignore[arg-type]
    assert stated_budget({"budget": {"min": 84, "dim": None}}) == Budget(min=84)


def test_the_last_lines_of_a_report_name_what_is_there(report: Report, tmp_path: Path) -> None:
    (tmp_path / "report").mkdir()
    write_report_json(report, tmp_path / "report" / "report.json")
    page, pick, other = (
        tmp_path / name for name in ("report/report.html", "artifacts/L6xD384-int8", "artifacts/L6xD384-fp32")
    )
    assert last_lines(report, tmp_path) == [
        f"Report: {page} is gone; {AGAIN}", f"To ship: {pick} is gone; no other is left to ship; {AGAIN}",
    ]  # fmt: skip
    page.touch()
    stand_artifacts(report, tmp_path)
    assert last_lines(report, tmp_path) == [f"Report: {page}", f"To ship: {pick}"]
    assert decant("report", tmp_path).text.splitlines()[-2:] == [f"Report: {page}", f"To ship: {pick}"]
    shutil.rmtree(pick)
    assert decant("report", tmp_path).text.splitlines()[-1] == (
        f"To ship: {pick} is gone; the next best is {other}; {AGAIN}"
    )
    none = report.model_copy(update={"selected": None})
    assert last_lines(none, tmp_path) == [f"Report: {page}"]


def test_a_budget_that_refers_to_no_teacher_leaves_no_next_best(report: Report, tmp_path: Path) -> None:
    rows = tuple(row for row in report.rows if row.kind != "teacher")
    recipe = {**report.recipe, "budget": {"max_loss": 1}}
    alone = report.model_copy(update={"rows": rows, "recipe": recipe})
    assert "no other is left to ship" in last_lines(alone, tmp_path)[1]
