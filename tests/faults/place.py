"""A tiny project with an undisturbed run, which every disturbed one is compared with."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tests.faults.forked import LOOK_S, PATIENCE_S, Child, import_modules, nothing, start, write_modules
from tests.tiny_runs import Models, nested_recipe, read_log, reranker_block, tiny_recipe, trained_recipe, write_project

TOLERANCE = 1e-6


@dataclass(frozen=True)
class Moment:
    """A share of the time that a stage takes; above 1 it has just ended."""

    stage: str
    share: float

    def __str__(self) -> str:
        return f"{self.stage} at {100 * self.share:.0f} %"


@dataclass(frozen=True)
class Place:
    """A recipe, and the run that nothing disturbed.

    Args:
        folder: holds the project and all its runs.
        seconds: of each stage, by its name in the log.
        figures: row → its metrics and intervals.
    """

    folder: Path
    recipe: Path
    seconds: dict[str, float]
    figures: dict[str, list[float]]

    @property
    def undisturbed(self) -> Path:
        """Its folder."""
        return self.folder / "undisturbed"

    def moments(self, count: int, generator: np.random.Generator) -> list[Moment]:
        """Random moments, spread over all stages."""
        stages = list(self.seconds)
        first = int(generator.integers(len(stages)))
        order = [stages[(first + number) % len(stages)] for number in range(count)]
        return [Moment(stage, float(generator.uniform(0, 1.1))) for stage in order]

    def begin(self, run: Path, before: Callable[[], None] = nothing, *options: str) -> Child:
        """Start the command, with more options or none."""
        return start([*self.command(run), *options], self.folder / f"{run.name}.err", before)

    def command(self, run: Path) -> list[object]:
        """What every run of this place is begun and gone on with."""
        return ["run", self.recipe, "--out", run]

    def reach(self, child: Child, run: Path, moment: Moment) -> None:
        """Wait until the run is there, or at its end."""
        end = time.monotonic() + PATIENCE_S
        while child.poll() is None and time.monotonic() < end:
            if any(line["stage"] == moment.stage and line["event"] == "begun" for line in read_log(run)):
                time.sleep(moment.share * self.seconds[moment.stage])
                return
            time.sleep(LOOK_S)

    def goes_on(self, run: Path) -> str:
        """The same command again; what is then not as in the undisturbed run, and nothing where all is."""
        finished = {path: path.read_bytes() for path in run.glob(".stages/*.json")}
        child = self.begin(run)
        code = child.wait()
        if code != 0:
            return f"the same command ended with {code}: {' / '.join(child.lines()[-3:])}"
        again = [path.stem for path, mark in finished.items() if path.read_bytes() != mark]
        if again:
            return f"made again, though finished: {', '.join(again)}"
        if (run / ".work").exists():
            return "left .work behind"
        return self.differs(run)

    def differs(self, run: Path) -> str:
        """In which row the run's figures are not the undisturbed one's; nothing where in none."""
        found = figures(run)
        if found.keys() != self.figures.keys():
            return f"other rows: {', '.join(found)}"
        for name, wanted in self.figures.items():
            if not np.allclose(found[name], wanted, rtol=0, atol=TOLERANCE):
                return f"{name}: {found[name]} where the undisturbed run has {wanted}"
        return ""

    def copy(self, name: str) -> Path:
        """A copy of the undisturbed run."""
        return Path(shutil.copytree(self.undisturbed, self.folder / name))


def make_place(folder: Path, models: Models, kind: str) -> Place:
    """Write the project and run it.

    Args:
        kind: pair (a cross-encoder that is fine-tuned, and a re-ranker made of it), nested (embedding teachers, every
            stage of theirs), or short (a model that is exported as it is).
    """
    place = Place(folder, write_project(folder, RECIPES[kind](models)), {}, {})
    modules = folder / "modules.txt"
    child = start(place.command(place.undisturbed), folder / "undisturbed.err", after=write_modules(modules))
    if child.wait() != 0:
        raise RuntimeError("\n".join(child.lines()))
    import_modules(modules)
    seconds = {line["stage"]: line["seconds"] for line in read_log(place.undisturbed) if line["event"] == "done"}
    return Place(folder, place.recipe, seconds, figures(place.undisturbed))


def _short(models: Models) -> dict[str, Any]:
    recipe = trained_recipe(models)
    recipe["measure"] |= {"compare": []}
    recipe["export"] |= {"precisions": ["fp32"], "cuts": [[1, 8]], "vectors": []}
    return recipe


RECIPES: dict[str, Callable[[Models], dict[str, Any]]] = {
    "pair": lambda models: tiny_recipe(models, load=False) | {"reranker": reranker_block()},
    "nested": lambda models: nested_recipe(models, labelled=True),
    "short": _short,
}


def figures(run: Path) -> dict[str, list[float]]:
    """Row → its metrics and intervals."""
    rows: list[dict[str, Any]] = json.loads((run / "report" / "report.json").read_text(encoding="utf-8"))["rows"]
    return {
        row["name"]: [
            figure
            for found in row["metrics"].values()
            for figure in (found["spearman"], found["pearson"], *found["ci95"])
        ]
        for row in rows
    }
