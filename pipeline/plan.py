"""What a run will do: each stage, whether it is done already, and about how long it takes here."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path

from decant.table import Table, line, text_columns
from pipeline.earlier_run import can_adopt
from pipeline.preflight.preflight import check_preflight
from pipeline.reasons import new_stages
from pipeline.recipe.recipe import Recipe
from pipeline.run import stages_of
from pipeline.run_dir import NotMade, RunDir
from pipeline.screen.console import duration
from pipeline.stages.estimate import Estimate
from pipeline.stages.stage import Made, Run, Stage
from pipeline.stages.texts import TEXTS
from pipeline.texts.load import load_texts
from pipeline.why_made import FIRST


@dataclass(frozen=True)
class Planned:
    """One stage: `state` is `done` (the run would use it again), or `to do`; `why` says what for."""

    stage: str
    state: str
    seconds: float
    what: str
    why: str = ""

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return asdict(self)


def planned_stages(recipe: Recipe, base: Path, run_dir: RunDir) -> list[Planned]:
    """Every stage in order. What is done is found by the stages themselves, in a folder that is only looked at.

    Texts that are to be read again are read for the plan: what does not depend on what changed in them is done.

    Raises:
        RecipeError: the recipe names what is not there.
    """
    check_preflight(recipe, base)
    run, made = Run(recipe, base, replace(run_dir, look_only=True)), Made()
    run = replace(run, folder=replace(run.folder, adopt=can_adopt(run)))
    planned: list[Planned] = []
    to_do: list[Stage] = []
    stages = stages_of(recipe)
    fresh = all(run.folder.mark(stage.name) is None for stage in stages)
    estimate: Estimate | None = None
    for stage in stages:
        why = _why(stage, run, made, to_do)
        if stage is TEXTS and why is not None:
            made.texts = load_texts(recipe.texts, base)
        if estimate is None:
            estimate = Estimate(recipe, base, made.texts)
        if why is not None and (fresh or stage is not TEXTS):
            to_do.append(stage)
        seconds = 0.0 if why is None else stage.seconds(estimate)
        state = "done" if why is None else "to do"
        planned.append(Planned(stage.name, state, seconds, stage.told(estimate), why or ""))
    return planned


def _why(stage: Stage, run: Run, made: Made, to_do: list[Stage]) -> str | None:
    """Why a stage is to do; None where it is done."""
    waits = [one for one in to_do if one.name in stage.reads]
    if waits:
        nearest = [one.name for one in waits if not any(one.name in other.reads for other in waits)]
        return f"made from {new_stages(nearest)}" if run.folder.mark(stage.name) is not None else FIRST
    try:
        stage.make(run, made)
    except NotMade as missing:
        if stage is TEXTS:
            made.texts_done = missing.stage
        return missing.why
    return None


def plan_table(stages: list[Planned]) -> Table:
    """The stages as a table with a total."""
    lines = [
        line(one.stage, one.state, duration(one.seconds) if one.state == "to do" else "", one.what, one.why)
        for one in stages
    ]
    total = line("", "", duration(sum(one.seconds for one in stages)), "in all", "")
    return Table(text_columns("stage", "state", "about", "what", "why"), (*lines, total))
