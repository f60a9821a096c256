"""Runs of versions whose stages do not say what they were made from, and that can be gone on with all the same."""

from __future__ import annotations

import json

import yaml
from pydantic import ValidationError

from decant.models.reference import is_on_the_hub
from pipeline.marks import marks_under
from pipeline.recipe.recipe import Recipe
from pipeline.run_dir import RunDir
from pipeline.snapshot import Snapshot, read_snapshot, take_snapshot
from pipeline.stages.stage import Run


def can_adopt(run: Run) -> bool:
    """Whether every stage that stands there is what this recipe asks for, whatever the rule of its fingerprint was.

    So it is where the last run came to its end with the same resolved recipe, and every file and folder that it read
    holds what it held then. What comes from the hub leaves no such trace, and is made again. Where every mark says what
    its stage was made from, there is nothing to ask.
    """
    if all(mark.inputs is not None for mark in marks_under(run.folder.root)):
        return False
    recipe, snapshot = run.recipe, read_snapshot(run.folder.inputs)
    of_hub = any(source.hub is not None for source in recipe.sources().values())
    of_hub |= any(is_on_the_hub(model, run.base) for model in recipe.models().values())
    if snapshot is None or of_hub or not _ended(run.folder) or _recipe_of(run.folder) != recipe:
        return False
    return _contents(take_snapshot(run.input_paths(), snapshot)) == _contents(snapshot)


def _contents(snapshot: Snapshot) -> list[list[tuple[str, str]]]:
    """What every file and folder holds, wherever it lies: a project may have been moved since."""
    return sorted(sorted((name, fact.sha256) for name, fact in files.items()) for files in snapshot.values())


def _ended(folder: RunDir) -> bool:
    """Whether the last thing that the log tells is a finished report."""
    try:
        last = json.loads(folder.log.read_text(encoding="utf-8").splitlines()[-1])
    except (OSError, ValueError, IndexError):
        return False
    return isinstance(last, dict) and last.get("stage") == "report" and last.get("event") in ("done", "reused")


def _recipe_of(folder: RunDir) -> Recipe | None:
    """The recipe of the last run, as today's version reads it."""
    try:
        return Recipe.model_validate(yaml.safe_load(folder.recipe.read_text(encoding="utf-8")))
    except (OSError, ValueError, ValidationError, yaml.YAMLError):
        return None
