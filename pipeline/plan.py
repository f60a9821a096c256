"""What a run will do: each stage, whether it is done already, and about how long it takes here."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path

from decant.table import Table, line, text_columns
from pipeline.earlier_run import can_adopt
from pipeline.preflight.preflight import check_preflight
from pipeline.recipe.recipe import Recipe
from pipeline.run import stages_of
from pipeline.run_dir import NotMade, RunDir
from pipeline.screen.console import duration
from pipeline.stages.estimate import Estimate
from pipeline.stages.stage import Made, Run, Stage
from pipeline.texts.load import load_texts


@dataclass(frozen=True)
class Planned:
    """One stage: `state` is `done` (the run would use it again), or `to do`."""

    stage: str
    state: str
    seconds: float
    what: str

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return asdict(self)


def planned_stages(recipe: Recipe, base: Path, run_dir: RunDir) -> list[Planned]:
    """Every stage in order. What is done is found by the stages themselves, in a folder that is only looked at.

    Raises:
        RecipeError: the recipe names what is not there.
    """
    check_preflight(recipe, base)
    run, made = Run(recipe, base, replace(run_dir, look_only=True)), Made()
    run = replace(run, folder=replace(run.folder, adopt=can_adopt(run)))
    planned: list[Planned] = []
    to_do: set[str] = set()
    estimate: Estimate | None = None
    for stage in stages_of(recipe):
        done = to_do.isdisjoint(stage.reads) and _is_done(stage, run, made)
        if estimate is None:  # the texts come first; where they are to do, they are read for their number
            estimate = Estimate(recipe, base, made.texts if done else load_texts(recipe.texts, base))
        to_do |= set() if done else {stage.name}
        seconds = 0.0 if done else stage.seconds(estimate)
        planned.append(Planned(stage.name, "done" if done else "to do", seconds, stage.told(estimate)))
    return planned


def _is_done(stage: Stage, run: Run, made: Made) -> bool:
    try:
        stage.make(run, made)
    except NotMade:
        return False
    return True


def plan_table(stages: list[Planned]) -> Table:
    """The stages as a table with a total."""
    lines = [
        line(one.stage, one.state, duration(one.seconds) if one.state == "to do" else "", one.what) for one in stages
    ]
    total = line("", "", duration(sum(one.seconds for one in stages)), "in all")
    return Table(text_columns("stage", "state", "about", "what"), (*lines, total))
