"""How a speed is shown that was timed on a busy machine, or whose rounds do not agree."""

from __future__ import annotations

from collections.abc import Sequence

from decant.table import MISSING, Line
from pipeline.measure.one_against_many import OneAgainstMany
from pipeline.measure.steadiness import BUSY, DRIFT, SPREAD
from pipeline.report.rows import Row

MARK = "?"
REMEDY = "`decant run RECIPE --from measure` on a quiet machine measures them again"
WHY = (
    f"while it was timed, others kept more than {100 * BUSY:.0f} % of the cores busy, or its rounds differed "
    f"(quartiles by more than {100 * SPREAD:.0f} %, halves by more than {100 * DRIFT:.0f} %)"
)
SIGN = f"{MARK} after a speed: not to be trusted; {WHY}"
LEGEND = f"{SIGN}. {REMEDY}."


def marked(text: str, unsteady: bool) -> str:
    """The figure with the mark behind it, where it is unsteady."""
    return f"{text}{MARK}" if unsteady and text != MISSING else text


def mark_legend(lines: Sequence[Line]) -> list[str]:
    """What the mark says, where any cell of a table has one."""
    return [LEGEND] if any(cell.text.endswith(MARK) for line in lines for cell in line.cells) else []


def steady_beside(row: Row, other: Row | None) -> bool:
    """Whether the throughputs of both can be trusted, so that one can be told as a multiple of the other."""
    return not row.unsteady_throughput and (other is None or not other.unsteady_throughput)


def left_out(row: Row, teacher: Row | None, baseline: Row | None) -> str:
    """The sentence that stands for the ratios that a headline leaves out; empty where it leaves out none."""
    other = teacher if teacher is not None else baseline
    searches = [one.one_against_many for one in (row, teacher) if one is not None and row.one_against_many is not None]
    if (other is None or steady_beside(row, other)) and not any(map(searched_busy, searches)):
        return ""
    return f"Ratios of unsteady speeds are left out: the machine was busy or the rounds differed; {REMEDY}."


def searched_busy(search: OneAgainstMany | None) -> bool:
    """Whether others kept the cores busy while a query was timed, so that not even its size is told."""
    found = search.steadiness.get("query_ms") if search is not None else None
    return found is not None and (found.busy or 0.0) > BUSY
