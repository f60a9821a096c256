"""Where a finished run keeps its report and its artifacts, and which of them it picked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TypeGuard

from decant.errors import InputError

REPORT, ARTIFACTS, MANIFEST = "report/report.json", "artifacts", "decant.json"


def names_artifact(selected: object) -> TypeGuard[str]:
    """Whether what a report selects is a name of a folder in `ARTIFACTS`, and leads nowhere else."""
    return isinstance(selected, str) and selected not in ("", "..") and Path(selected).name == selected


def candidate_of(folder: Path) -> Path:
    """The artifact to promote: the folder itself, or the one that a run's report chose to ship.

    Raises:
        InputError: it is neither an artifact nor a finished run, or the run chose none.
    """
    if (folder / MANIFEST).is_file():
        return folder
    try:
        report = json.loads((folder / REPORT).read_text(encoding="utf-8"))
        selected, because = report["selected"], report["selected_because"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(f"{folder} is neither an artifact (decant.json) nor a finished run ({REPORT})") from error
    if not selected:
        raise InputError(f"{folder}: this run chose no artifact to ship: {because}")
    if not names_artifact(selected):
        raise InputError(f"{folder}: {REPORT} selects {str(selected)!r}, which is no name of an artifact; run it again")
    return folder / ARTIFACTS / selected
