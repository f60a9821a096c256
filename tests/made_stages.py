"""Some stages of a run, one after another."""

from __future__ import annotations

from pathlib import Path

from pipeline.recipe.recipe import Recipe
from pipeline.run import STAGES
from pipeline.run_dir import RunDir
from pipeline.stages.stage import Made, Run, Stage

NAMES = [stage.name for stage in STAGES]


def made_by(recipe: Recipe, base: Path, *stages: Stage) -> Made:
    """What these stages make of a recipe, or find, in the folder `run` beside it."""
    run, made = Run(recipe, base, RunDir(base / "run")), Made()
    run.folder.root.mkdir(exist_ok=True)
    for stage in stages:
        stage.make(run, made)
    return made
