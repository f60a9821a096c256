"""What a run ships: under its recipe's budget, or by the rule of runs that have none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import JsonValue, ValidationError

from decant.errors import InputError
from pipeline.pick.budget import Budget, Choice, accuracy_set, choose
from pipeline.pick.files_there import AGAIN, choose_there, folder_of, lacking
from pipeline.report.rows import Report, Row
from pipeline.report.steady import steady_artifacts


def shipped(rows: Sequence[Row], budget: Budget | None) -> Choice:
    """Choose as a run does.

    Args:
        rows: of a report.
        budget: the recipe's.

    Raises:
        InputError: as `choose`.
    """
    return choose(rows, budget) if budget is not None else _fastest_steady(rows)


def stated_budget(recipe: Mapping[str, JsonValue]) -> Budget | None:
    """The budget of a report's recipe; None where it has none, or none that can be read."""
    try:
        return Budget.model_validate(recipe["budget"]) if recipe.get("budget") is not None else None
    except ValidationError:
        return None


def last_lines(report: Report, run_folder: Path) -> list[str]:
    """Where a run's page and the artifact to ship are, or what is missing of them, and the next best."""
    page = run_folder / "report" / "report.html"
    lines = [f"Report: {page}" if page.is_file() else f"Report: {page} is gone; {AGAIN}"]
    if report.selected is None:
        return lines
    row = report.row(report.selected)
    lack = lacking(row, run_folder)
    if lack is None:
        return [*lines, f"To ship: {folder_of(row, run_folder)}"]
    try:
        left = choose_there(report.rows, run_folder, lambda rows: shipped(rows, stated_budget(report.recipe))).selected
    except InputError:  # a budget relative to a teacher that the report has no figure of
        left = None
    instead = f"the next best is {folder_of(left, run_folder)}" if left is not None else "no other is left to ship"
    return [*lines, f"To ship: {lack}; {instead}; {AGAIN}"]


def _fastest_steady(rows: Sequence[Row]) -> Choice:
    """Of the deepest artifacts, since a cut costs accuracy that only a budget can weigh."""
    steady = steady_artifacts(rows)
    whole = [row for row in steady if row.layers == max(one.layers or 0 for one in steady)]
    chosen = max(whole, key=lambda row: row.texts_per_second or 0.0, default=None)
    because = "the fastest artifact whose vectors do not depend on the batch"
    if chosen is None:
        because = "no artifact gives a text the same vector alone and in a batch"
    elif len({row.layers for row in steady}) > 1:
        because += ", of the whole depth; a budget can pick a cut"
    return Choice(chosen, None, (), because, None, accuracy_set(rows), None)
