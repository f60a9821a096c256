"""The pick and why, in one sentence, and what must be said beside it: the same in every rendering of a report."""

from decant.errors import InputError
from pipeline.pick.budget import Budget
from pipeline.pick.passed_over import passed_over_said
from pipeline.pick.shipped import shipped, stated_budget
from pipeline.report.answer import answer
from pipeline.report.no_gain import no_gain
from pipeline.report.rows import Report
from pipeline.report.unsteady import REMEDY


def pick_sentence(report: Report) -> str:
    """What to ship, its figures and the rule that chose it; or that nothing is to be shipped."""
    if report.selected is None or not report.selected_because:
        return answer(report)
    said, because = answer(report), f"chosen as {report.selected_because}."
    if said.endswith(f"{REMEDY}."):
        return f"{said} It was {because}"
    return f"{said.removesuffix('.')}; {because}"


def pick_notes(report: Report) -> list[str]:
    """Sentences beside the pick.

    Whether distillation helped, faster artifacts that are as accurate as the pick, or what would get there where no
    artifact fits the budget.
    """
    budget = stated_budget(report.recipe)
    beside = _remedy(report, budget)
    if report.selected is not None:
        beside = passed_over_said(report.rows, report.row(report.selected), budget or Budget(), report.folder)
    return [said for said in (no_gain(report), beside) if said]


def _remedy(report: Report, budget: Budget | None) -> str | None:
    try:
        said = shipped(report.rows, budget).remedy
    except InputError:  # a budget relative to a teacher that is not there
        return None
    return f"{said[0].upper()}{said[1:]}." if said else None
