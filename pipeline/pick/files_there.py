"""Whether the artifacts that a report names are still there; their digests are `decant verify`'s."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from pipeline.pick.budget import Choice
from pipeline.pick.run_pick import MANIFEST
from pipeline.report.rows import Row

GRAPH = "onnx/model.onnx"
NAMED = 3
AGAIN = "the run's own command makes it again"


def folder_of(row: Row, run_folder: Path) -> Path:
    """Where an artifact's files are."""
    return run_folder / (row.path or f"artifacts/{row.name}")


def lacking(row: Row, run_folder: Path) -> str | None:
    """What is missing of an artifact's folder, its manifest and its graph, one clause; None where all are there."""
    folder = folder_of(row, run_folder)
    if not _there(folder, Path.is_dir):
        return f"{folder} is gone"
    missing = [name for name in (MANIFEST, GRAPH) if not _there(folder / name, Path.is_file)]
    return f"{folder} has no {' and no '.join(missing)}" if missing else None


def gone_rows(rows: Sequence[Row], run_folder: Path) -> dict[str, str]:
    """What is missing, by the row's name: of artifacts as `lacking` says it, of others the folder."""
    found = {row.name: lacking(row, run_folder) for row in rows if row.kind == "artifact"}
    others = [row for row in rows if row.kind != "artifact" and row.path is not None]
    found |= {
        row.name: None if _there(folder_of(row, run_folder), Path.exists) else f"{folder_of(row, run_folder)} is gone"
        for row in others
    }
    return {name: said for name, said in found.items() if said is not None}


def choose_there(rows: Sequence[Row], run_folder: Path, choose: Callable[[Sequence[Row]], Choice]) -> Choice:
    """The choice among artifacts whose files are there; `gone` names those that would have come before it.

    Args:
        rows: of the run's report.
        run_folder: where it is.
        choose: chooses among rows.

    Raises:
        InputError: as `choose` does.
    """
    gone = {row.name: said for row in rows if row.kind == "artifact" and (said := lacking(row, run_folder))}
    lost: list[str] = []
    left = list(rows)
    choice = choose(left)
    while choice.selected is not None and choice.selected.name in gone:
        lost.append(gone[choice.selected.name])
        left = [row for row in left if row is not choice.selected]
        choice = choose(left)
    choice = choose([row for row in rows if row.name not in gone])
    if not lost:
        return choice
    end = "the next best was taken" if choice.selected is not None else "none is left within the limits"
    more = [f"{len(lost) - NAMED} more"] if len(lost) > NAMED else []
    return replace(choice, gone=f"{', '.join([*lost[:NAMED], *more])}: {end}; {AGAIN}")


def _there(path: Path, is_there: Callable[[Path], bool]) -> bool:
    try:
        return is_there(path)
    except (OSError, ValueError):  # a name that no file can have
        return False
