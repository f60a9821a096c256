"""Where the schedules' state is kept: logs, locks, the database."""

from __future__ import annotations

import os
from pathlib import Path

from decant.errors import InputError
from decant.files import expand_user
from pipeline.schedule.spec import absolute

HOME_VARIABLE, URL_VARIABLE = "DECANT_HOME", "DECANT_SCHEDULES"
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
