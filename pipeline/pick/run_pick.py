"""Where a finished run keeps its report and its artifacts, and which names an artifact there can have."""

from __future__ import annotations

from pathlib import Path
from typing import TypeGuard

REPORT, ARTIFACTS = "report/report.json", "artifacts"


def names_artifact(selected: object) -> TypeGuard[str]:
    """Whether what a report selects is a name of a folder in `ARTIFACTS`, and leads nowhere else."""
    return isinstance(selected, str) and selected not in ("", "..") and Path(selected).name == selected
