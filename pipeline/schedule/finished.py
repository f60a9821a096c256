"""What a finished run left behind: its pick, and the quantized graphs that missed their gate."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.pick.run_pick import MANIFEST, REPORT, names_artifact

LOG = "log.jsonl"
LAST_STAGE = "report"


@dataclass(frozen=True)
class Finished:
    """What its report says."""

    selected: str
    """Name of the artifact to ship."""
    left_out: tuple[str, ...]
    """A line on each graph that missed its gate, which all else was finished without."""


def finished_run(run: Path) -> Finished | None:
    """The report of a run that came to its end; None where its last run did not, or chose nothing to ship.

    A run that a gate stopped half-way leaves the report of the run before it, so the log is asked, too.

    Args:
        run: the run's folder.
    """
    if not _came_to_its_end(run / LOG):
        return None
    try:
        report = json.loads((run / REPORT).read_text(encoding="utf-8"))
        selected, left_out = report["selected"], report.get("left_out", [])
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    if not names_artifact(selected) or not isinstance(left_out, list):
        return None
    return Finished(selected, tuple(map(str, left_out)))


def not_run(artifact: Path | None, runtimes: Sequence[str]) -> list[str]:
    """Of these runtimes, those that `decant certify` could not run on an artifact, as its decant.json states it."""
    if artifact is None:
        return []
    try:
        records = json.loads((artifact / MANIFEST).read_text(encoding="utf-8"))["certificate"]
        return [name for name in runtimes if records[name]["status"] == "not run"]
    except (OSError, ValueError, LookupError, TypeError, RecursionError):  # the promotion says what is wrong with it
        return []


def _came_to_its_end(log: Path) -> bool:
    """Whether the last stage that the log tells of is the report, whole."""
    try:
        lines = log.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return False
    last = next((event for event in map(_event, reversed(lines)) if "stage" in event), {})
    return last.get("stage") == LAST_STAGE and last.get("event") in ("done", "reused")


def _event(line: str) -> dict[str, Any]:
    try:
        content = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}
