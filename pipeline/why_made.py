"""Why a stage is made, in one short line: what its mark says beside what is asked of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from pipeline.marks import Mark, mark_path, marks_under

FIRST, DAMAGED, REMOVED, UNREADABLE = "first time", "was damaged", "was removed", "its mark cannot be read"
ASKED, EARLIER, VERSION = "asked for by --from", "made by an earlier version", "new version of the stage"
Inputs = Mapping[str, object]
Explain = Callable[[Inputs, Inputs, Mapping[str, str]], str]
"""Earlier inputs, those of today, and the stages that stand by their fingerprints → what differs; empty: nothing."""


def why_made(root: Path, stage: str, before: Mark | None, inputs: Inputs, explain: Explain) -> str:
    """Why a stage is made that does not stand as it is asked for, though it is not damaged.

    Args:
        root: the run's folder.
        stage: its folder under the run's.
        before: its mark; None where there is none, or no folder.
        inputs: that it is to be made from, as a mark keeps them.
    """
    if before is None and mark_path(root, stage).is_file():
        return UNREADABLE if (root / stage).is_dir() else REMOVED
    other = before or _sibling(root, stage, inputs)
    if other is None:
        return FIRST
    if other.inputs is None:
        return EARLIER
    known = {mark.known_as: mark.stage for mark in _standing(root)}
    return explain(other.inputs, inputs, known) or (VERSION if before is not None else FIRST)


def _sibling(root: Path, stage: str, inputs: Inputs) -> Mark | None:
    """Another part of the same stage that was made from the same kinds of inputs, such as another alpha's."""
    place = stage.rpartition("/")[0]
    marks = marks_under(root, place) if place else ()
    return next((one for one in marks if one.inputs is not None and one.inputs.keys() == inputs.keys()), None)


def _standing(root: Path) -> Iterator[Mark]:
    """Marks of all finished stages, those of parts first."""
    folders = [path.name for path in root.iterdir() if path.is_dir() and not path.name.startswith(".")]
    for folder in (*folders, ""):
        yield from marks_under(root, folder)
