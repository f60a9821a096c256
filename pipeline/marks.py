"""Marks of finished stages: what each was made from, and what its files held when they were written.

They lie under `.stages` in the run's folder, so that a stage's own folder holds nothing but what the stage is for. A
mark is written into the folder and moved out once that is in place: a kill in between loses nothing. Earlier versions
left it there, where the digest of a model's folder holds it, so that those of models are let be.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from decant.files import write_json
from decant.models.folder_files import CONFIG, MODULES
from pipeline.checksums import checksum

MARKS = ".stages"
MARK = "stage.json"  # in the stage's folder
ADOPTED = "stage.adopted"  # beside a mark of an earlier version, what a later one took the stage for


@dataclass(frozen=True)
class Mark:
    """What a finished stage says of itself.

    Args:
        stage: its folder under the run's.
        fingerprint: of its inputs.
        seconds: that it took.
        known_as: its fingerprint to the stages that are made from it.
        files: relative path → checksum; a stage of before there were any has none, and stands.
        inputs: JSON values that the fingerprint names; None where an earlier version did not keep them.
    """

    stage: str
    fingerprint: str
    seconds: float
    known_as: str
    files: dict[str, str]
    inputs: dict[str, Any] | None


def mark_path(root: Path, stage: str) -> Path:
    """Where a mark lies that was moved out of its folder."""
    return root / MARKS / f"{stage}.json"


def read_mark(root: Path, stage: str) -> Mark | None:
    """The mark of a stage whose folder is there; None where it has none that can be read."""
    folder = root / stage
    inside, adopted = folder / MARK, folder / ADOPTED
    try:
        if not folder.is_dir():
            return None
        stated = json.loads((inside if inside.is_file() else mark_path(root, stage)).read_text(encoding="utf-8"))
        if inside.is_file() and adopted.is_file():
            stated |= json.loads(adopted.read_text(encoding="utf-8"))
        made_from, files = stated["fingerprint"], dict(stated.get("files", {}))
        known_as = stated.get("known_as", made_from)
        return Mark(stage, made_from, float(stated["seconds"]), known_as, files, stated.get("inputs"))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def write_mark(path: Path, mark: Mark) -> None:
    """The mark as JSON, without inputs that are not known."""
    stated = {key: value for key, value in asdict(mark).items() if value is not None}
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, stated, indent=None, ascii_only=True)


def move_out(root: Path, stage: str) -> None:
    """Take the mark out of a finished stage's folder."""
    folder, mark = root / stage, read_mark(root, stage)
    if mark is not None and (folder / MARK).is_file():
        write_mark(mark_path(root, stage), mark)
        for name in (MARK, ADOPTED):
            (folder / name).unlink(missing_ok=True)


def forget_marks(root: Path, stage: str) -> None:
    """Remove the marks of a stage and of its parts."""
    for name in (MARK, ADOPTED):
        (root / stage / name).unlink(missing_ok=True)
    mark_path(root, stage).unlink(missing_ok=True)
    shutil.rmtree(root / MARKS / stage, ignore_errors=True)


def is_model(folder: Path) -> bool:
    """Whether a stage's folder is a model's, whose digest holds every JSON file in it."""
    return any((folder / name).is_file() for name in (CONFIG, MODULES))


def marks_under(root: Path, folder: str = "") -> Iterator[Mark]:
    """Marks of the stages whose folders stand in a folder of the run, in the order of their names."""
    place = root / folder
    for path in sorted(place.iterdir()) if place.is_dir() else ():
        mark = read_mark(root, path.relative_to(root).as_posix())
        if mark is not None:
            yield mark


def restamp(path: Path) -> None:
    """Take a file as it is now for what its stage wrote; nothing where it stands in no stage's folder."""
    for folder in path.parents:
        roots = folder.parents[:2]  # a part of a stage lies one folder deeper
        outside = [mark_path(root, folder.relative_to(root).as_posix()) for root in roots]
        mark = next((one for one in (folder / MARK, *outside) if one.is_file()), None)
        if mark is not None:
            stated = json.loads(mark.read_text(encoding="utf-8"))
            name = path.relative_to(folder).as_posix()
            if name in stated.get("files", {}):
                stated["files"][name] = checksum(path)
                write_json(mark, stated, indent=None, ascii_only=True)
            return
