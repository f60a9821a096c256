"""Artifacts that answer one text sooner than the selected one and are as good on test: none is passed over unsaid."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from math import inf

from decant.errors import InputError
from pipeline.pick.budget import OPTIONS, Budget, accuracy_set, choose, fitting
from pipeline.pick.limits import latency_ms, rounded_out
from pipeline.report.figures import duration, points, ratio, signed_points
from pipeline.report.main_table import label
from pipeline.report.rows import Row

FASTER = 1.05  # a smaller factor is written as 1.0×
NAMED = 4  # of those that come after the first


def passed_over(rows: Sequence[Row], selected: Row, budget: Budget) -> list[Row]:
    """Artifacts within the budget that are faster for one text, and better or within the selected one's interval.

    Args:
        rows: of a report.
        selected: what was chosen from them.
        budget: the limits; an empty one where there are none.

    Returns:
        The most accurate first.

    Raises:
        InputError: as `choose`.
    """
    set_name, least = accuracy_set(rows, budget.metric, budget.set), latency_ms(selected)
    if set_name is None or set_name not in selected.metrics or not least:
        return []
    low = selected.metrics[set_name].ci95[0]
    timed = [(row, ms) for row in fitting(rows, budget) if (ms := latency_ms(row)) and set_name in row.metrics]
    faster = [row for row, ms in timed if FASTER <= least / ms < inf and row.metrics[set_name].value >= low]
    return sorted(faster, key=lambda row: (-row.metrics[set_name].value, latency_ms(row) or 0.0))


def passed_over_said(rows: Sequence[Row], selected: Row, budget: Budget, run_folder: str) -> str | None:
    """A sentence on the most accurate of them, with the command that picks it, and the names of the others.

    Args:
        rows: as of `passed_over`, and so are `selected` and `budget`.
        run_folder: as the command is to name it.
    """
    try:
        found = passed_over(rows, selected, budget)
        set_name = accuracy_set(rows, budget.metric, budget.set)
    except InputError:  # a budget relative to a teacher that is not there
        return None
    if not found or set_name is None:
        return None
    first, *others = found
    least, milliseconds = latency_ms(selected) or 0.0, latency_ms(first) or 0.0
    gain = first.metrics[set_name].value - selected.metrics[set_name].value
    by = f"{points(abs(gain))} points {'better' if gain > 0 else 'worse'}"
    better = "as good" if by.startswith("0.00") else by
    inside = "" if gain > 0 else ", which is within the interval of the artifact that was chosen"
    said = f"{label(first)} is {ratio(least / milliseconds)} as fast for one text and {better} on {set_name}{inside}"
    return f"{said}; a budget picks it: {_command(rows, first, budget, run_folder)}.{_also(others, selected, set_name)}"


def _also(others: Sequence[Row], selected: Row, set_name: str) -> str:
    """The next ones, with time and difference; nothing where there is none."""
    if not others:
        return ""
    value = selected.metrics[set_name].value
    named = [
        f"{label(row)} ({duration(latency_ms(row) or 0.0)}, {signed_points(row.metrics[set_name].value - value)})"
        for row in others[:NAMED]
    ]
    more = [f"{len(others) - NAMED} more"] if len(others) > NAMED else []
    return f" Faster and better or within that interval, too: {', '.join([*named, *more])}."


def _command(rows: Sequence[Row], row: Row, budget: Budget, run_folder: str) -> str:
    """The call of `decant pick` that gives this row, its other limits as they are."""
    milliseconds = latency_ms(row) or 0.0
    limit = rounded_out(milliseconds, up=True)
    if choose(rows, budget.model_copy(update={"latency_ms": float(limit)})).selected != row:
        limit = repr(milliseconds)  # a slower one that is more accurate comes before the rounded limit
    limits = {"latency_ms": limit} | budget.model_dump(exclude_none=True, exclude={"latency_ms"})
    options = " ".join(f"{OPTIONS[name]} {str(value).removesuffix('.0')}" for name, value in limits.items())
    return f"decant pick {shlex.quote(run_folder)} {options}"
