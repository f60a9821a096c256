"""What `decant schedule` shows: the schedules, and what came of their runs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from decant.secrets import redacted
from decant.table import MISSING, Column, Table, line, text_columns
from pipeline.schedule.store import Planned, Run
from pipeline.screen.console import duration

HISTORY = (
    *text_columns("run", "name", "began"), Column("took", keep=2), Column("cause", keep=1), Column("state"),
    Column("tries", keep=3), Column("what"),
)  # fmt: skip


def schedules_table(planned: Sequence[Planned], last: Sequence[Run]) -> Table:
    """Every schedule: when, when next, and how its last run ended."""
    states = {run.name: run.state for run in last}
    lines = []
    for one in planned:
        schedule = one.schedule
        due = _local(one.next_run, schedule.timezone) if one.next_run is not None else "never again"
        shown = "paused" if one.paused else due
        lines.append(line(schedule.name, schedule.when, shown, states.get(schedule.name, MISSING), schedule.recipe))
    return Table(text_columns("name", "when", "next", "last run", "recipe"), tuple(lines))


def history_table(runs: Sequence[Run], zones: dict[str, str]) -> Table:
    """The runs, the newest last.

    Args:
        runs: as the store gives them.
        zones: a schedule's name → its time zone; others are shown in UTC.
    """
    lines = []
    for run in runs:
        took = duration(run.ended - run.started) if run.ended is not None else MISSING
        began = _local(run.started, zones.get(run.name, "UTC"))
        tries = str(run.attempts) if run.attempts else MISSING
        lines.append(line(str(run.number), run.name, began, took, run.cause, run.state, tries, run.said))
    return Table(HISTORY, tuple(lines))


def planned_json(one: Planned) -> dict[str, Any]:
    """For a script."""
    stated = one.schedule.model_dump(mode="json")
    stated["overrides"] = [redacted(override) for override in stated["overrides"]]
    stated["promote_to"] = redacted(stated["promote_to"]) if stated["promote_to"] is not None else None
    return {**stated, "next_run": one.next_run, "paused": one.paused}


def _local(seconds: float, zone: str) -> str:
    return datetime.fromtimestamp(seconds, ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M:%S %Z")
