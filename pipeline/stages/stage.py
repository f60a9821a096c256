"""What a stage is, and what stages share: the run that they belong to, and what they have made so far."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from decant.files import expand_user
from decant.models.reference import is_on_the_hub, resolve_model
from pipeline.fingerprint import entered, fingerprint
from pipeline.reasons import changed
from pipeline.recipe.recipe import Recipe
from pipeline.run_dir import Finished, RunDir
from pipeline.screen.console import Screen, Watching
from pipeline.suite.read_sets import beir_files, ranking_folder
from pipeline.suite.settings import RankingSet
from pipeline.texts.rankings import source_files
from pipeline.texts.source import local_file

if TYPE_CHECKING:
    from pipeline.report.rows import Mined, Report
    from pipeline.stages.checkpoints import Checkpoint
    from pipeline.stages.engines import Built
    from pipeline.stages.estimate import Estimate
    from pipeline.stages.graphs import Graph
    from pipeline.stages.measure import Measured
    from pipeline.stages.openvino_irs import Irs
    from pipeline.stages.reranker import Reranked
    from pipeline.stages.student import Trained
    from pipeline.stages.targets import PairTargets
    from pipeline.stages.vectors import VectorTargets
    from pipeline.texts.candidate_lists import Lists
    from pipeline.texts.load import Texts


@dataclass(frozen=True)
class Run:
    """What is resolved once: the recipe, the folder that its paths start from, the run's folder, the screen."""

    recipe: Recipe
    base: Path
    folder: RunDir
    screen: Screen = field(default_factory=lambda: Screen(quiet=True))

    @property
    def watch(self) -> Watching:
        """Opens progress bars."""
        return self.screen.watch

    def model(self, reference: str) -> Path:
        """The folder of a model that the recipe names."""
        return resolve_model(reference, self.base)

    def input_paths(self) -> list[Path]:
        """Files and folders outside the run that it reads; what comes from the hub has none.

        Raises:
            InputError: one is not there.
        """
        recipe, base = self.recipe, self.base
        files = [local_file(source, base) for source in recipe.sources().values()]
        files += [resolve_model(model, base) for model in recipe.models().values() if not is_on_the_hub(model, base)]
        files += [file for key, source in recipe.rankings().items() for file in source_files(key, source, base)]
        for one in recipe.measure.sets.values():
            if isinstance(one, RankingSet):
                folder = ranking_folder(one, base)
                files += [folder / name for name in beir_files(one.split)]
        vocabulary = recipe.student.vocabulary
        if vocabulary is not None and vocabulary.keep_from is not None:
            files.append(base / expand_user(vocabulary.keep_from))
        return [path for path in files if path is not None]

    def make(self, name: str, version: int, inputs: Mapping[str, object], write: Callable[[Path], None]) -> Finished:
        """The finished folder of a stage or of a part of one: the one that is there, or a new one by `write(folder)`.

        Args:
            name: the folder under the run's.
            inputs: all that decides the result, as `fingerprint` takes it.
        """
        made_from, stated = fingerprint(name, version, inputs), entered(inputs) | {"version": version}
        return self.folder.make(name, made_from, write, stated, partial(changed, name, self.recipe))


class Made:
    """What the stages have made so far. What the recipe asks for and no stage has made yet is not there."""

    texts_done: Finished
    texts: Texts
    vector_targets: VectorTargets | None = None
    mined: Mined | None = None
    teacher: Finished | None = None
    pair_targets: PairTargets | None = None
    lists: Lists | None = None
    table: Finished | None = None
    embedded: Finished | None = None
    student: Finished
    trained: Sequence[Trained] = ()
    reranked: Reranked | None = None
    graphs: Sequence[Graph]
    left_out: Sequence[str] = ()
    irs: Irs | None = None
    checkpoints: Sequence[Checkpoint] = ()
    measured_done: Finished
    measured: Measured
    artifacts: Finished
    engines_done: Finished | None = None
    built: Built | None = None
    report: Report
    """What was measured, as cards quote it; from stage `report` on with the engines and the choice."""


@dataclass(frozen=True)
class Done:
    """How a stage ended: its folder, what came of it in a line for the reader, and the parts that it was made of."""

    finished: Finished
    said: str
    parts: Sequence[Finished] = ()

    @property
    def seconds(self) -> float:
        """Of all parts."""
        return sum(one.seconds for one in (self.finished, *self.parts))

    @property
    def reused(self) -> bool:
        """Whether an earlier run had made all of it."""
        return all(one.reused for one in (self.finished, *self.parts))


@dataclass(frozen=True)
class Stage:
    """A stage, as it stands in the list of `pipeline.run`.

    Args:
        name: its folder under the run's, and what `--from` calls it.
        version: of its code; raised where the same inputs give another result.
        make: finds or makes its folder by `Run.make`, and puts what it holds into `Made`.
        reads: the stages before it whose results it takes.
        wanted: whether a recipe has it.
        seconds: about how long it takes.
        told: what it will do, in a line for `decant plan`.
        parts: the folder of what it is chosen or made from, where it has one.
        takes_over: its folder stays until another takes its place, which takes over what has come to it since.
    """

    name: str
    version: int
    make: Callable[[Run, Made], Done]
    reads: tuple[str, ...] = ()
    wanted: Callable[[Recipe], bool] = lambda recipe: True
    seconds: Callable[[Estimate], float] = lambda estimate: 5.0
    told: Callable[[Estimate], str] = lambda estimate: ""
    parts: str | None = None
    takes_over: bool = False

    @property
    def folders(self) -> tuple[str, ...]:
        """All that it leaves under the run's folder."""
        return (self.name, self.parts) if self.parts is not None else (self.name,)
