"""`decant schedule`: where its state is kept, and its tables."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from decant.errors import InputError
from decant.files import expand_user
from decant.secrets import redacted
from decant.table import MISSING, Table, line, text_columns
from pipeline.recipe.yaml_text import YamlError, read_yaml
from pipeline.schedule.serve import URL_VARIABLE
from pipeline.schedule.spec import Schedule, absolute, absolute_location, parse_duration, schedule_of
from pipeline.schedule.store import Planned, Run
from pipeline.schedule.work import check_promotion
from pipeline.screen.console import duration

HOME_VARIABLE = "DECANT_HOME"
FILE = "schedules.sqlite"


def home_of(given: Path | None) -> Path:
    """Folder of logs, locks and, unless a URL says otherwise, the database: --home, $DECANT_HOME, or the user's."""
    stated = given or os.environ.get(HOME_VARIABLE)
    if stated:
        return expand_user(stated).absolute()
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state).absolute() / "decant"


def url_of(given: str | None, home: Path) -> str:
    """The database: --store, $DECANT_SCHEDULES, or a SQLite file in `home`."""
    return given or os.environ.get(URL_VARIABLE) or f"sqlite:///{home / FILE}"


def textfiles_folder(given: Path | None) -> Path | None:
    """--prometheus, as a path that holds wherever it is read.

    Raises:
        InputError: it is no folder.
    """
    if given is not None and not given.expanduser().is_dir():
        raise InputError(f"--prometheus {given} is no folder; name that of node_exporter's textfile collector")
    return Path(absolute(given)) if given is not None else None


def local_zone() -> str:
    """IANA name of this machine's time zone.

    Raises:
        InputError: tzlocal, which APScheduler brings along, is not installed.
    """
    try:
        from tzlocal import get_localzone_name
    except ImportError as error:
        raise InputError("schedules need apscheduler, which is not installed; pip install 'decant[ops]'") from error
    return str(get_localzone_name() or "UTC")


def new_schedule(
    recipe: Path,
    *,
    name: str | None,
    out: Path | None,
    cron: str | None,
    every: str | None,
    timezone: str | None,
    overrides: Sequence[str],
    promote_to: str | None,
    pairs: Path | None,
    retries: int,
    backoff: str,
) -> Schedule:
    """A schedule from the command's options; the recipe's own name where none is given.

    Raises:
        InputError: an option cannot be used, or the recipe or the pairs are not there.
    """
    named = _name_in(recipe)
    values: dict[str, Any] = {
        "name": name or named, "recipe": absolute(recipe), "overrides": tuple(overrides),
        "run": absolute(out or Path("runs") / named), "cron": cron,
        "every_s": round(parse_duration(every, "--every")) if every is not None else None,
        "timezone": timezone or local_zone(), "created": time.time(),
        "promote_to": absolute_location(promote_to) if promote_to is not None else None,
        "pairs": absolute(pairs) if pairs is not None else None,
        "retries": retries, "backoff_s": parse_duration(backoff, "--backoff"),
    }  # fmt: skip
    if pairs is not None and not Path(values["pairs"]).exists():
        raise InputError(f"--pairs {pairs}: no such file or folder")
    if pairs is not None and promote_to is None:
        raise InputError("--pairs are what a promotion is measured on; give --promote-to REGISTRY too")
    check_promotion(values)
    return schedule_of(values)


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
    return Table(text_columns("run", "name", "began", "took", "cause", "state", "tries", "what"), tuple(lines))


def planned_json(one: Planned) -> dict[str, Any]:
    """For a script."""
    stated = one.schedule.model_dump(mode="json")
    stated["overrides"] = [redacted(override) for override in stated["overrides"]]
    stated["promote_to"] = redacted(stated["promote_to"]) if stated["promote_to"] is not None else None
    return {**stated, "next_run": one.next_run, "paused": one.paused}


def run_json(run: Run) -> dict[str, Any]:
    """For a script."""
    return asdict(run)


def _name_in(recipe: Path) -> str:
    """The recipe's name; the rest of it is checked by the run, and by `decant validate`."""
    try:
        content, _ = read_yaml(recipe)
    except YamlError as error:
        raise InputError(f"{recipe} is no recipe: not YAML in UTF-8; `decant validate {recipe}` tells more") from error
    name = content.get("name") if isinstance(content, dict) else None
    if not isinstance(name, str) or not name:
        raise InputError(f"{recipe} is no recipe: it has no name; `decant validate {recipe}` tells more")
    return name


def _local(seconds: float, zone: str) -> str:
    return datetime.fromtimestamp(seconds, ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M:%S %Z")
