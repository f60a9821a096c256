"""The road of one recipe, stage by stage."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from pipeline.earlier_run import can_adopt
from pipeline.preflight.preflight import check_preflight
from pipeline.preflight.same_vectors import hold_to_peer
from pipeline.recipe.overridden import overridden
from pipeline.recipe.recipe import Recipe, recipe_yaml
from pipeline.report.rows import Report
from pipeline.run_dir import RunDir
from pipeline.screen.console import Screen
from pipeline.snapshot import read_snapshot, take_snapshot, write_snapshot
from pipeline.stages.artifacts import ARTIFACTS
from pipeline.stages.candidates import CANDIDATES
from pipeline.stages.checkpoints import CHECKPOINTS
from pipeline.stages.embed import EMBED
from pipeline.stages.engines import ENGINES
from pipeline.stages.graphs import GRAPHS
from pipeline.stages.measure import MEASURE
from pipeline.stages.mine import MINE
from pipeline.stages.openvino_irs import OPENVINO
from pipeline.stages.report import REPORT
from pipeline.stages.reranker import RERANKER
from pipeline.stages.stage import Done, Made, Run, Stage
from pipeline.stages.student import STUDENT
from pipeline.stages.table import TABLE
from pipeline.stages.targets import TARGETS
from pipeline.stages.teacher import TEACHER
from pipeline.stages.texts import TEXTS
from pipeline.stages.vectors import VECTORS
from pipeline.tracking.tracker import tracked

STAGES = (
    TEXTS,  # read, check and split the pairs
    VECTORS,  # embedding teachers encode every text once
    CANDIDATES,  # of each query the passages that it may be answered by
    MINE,  # pairs of texts whose scores spread over the whole range
    TEACHER,  # load or fine-tune a cross-encoder
    TARGETS,  # it scores every pair once
    TABLE,  # a static student's tokens, each alone through the teachers
    EMBED,  # the student learns the vectors
    STUDENT,  # then the pairs; the best on dev is the student
    RERANKER,  # the teacher again, its layers sharing attention maps
    GRAPHS,  # the student as ONNX, in each depth, length and precision
    OPENVINO,  # the same in OpenVINO
    CHECKPOINTS,  # the same for torch, in 4 or 8 bits
    MEASURE,  # all of them on the test pairs
    ARTIFACTS,  # the folders to ship
    ENGINES,  # TensorRT engines of them
    REPORT,  # what was lost and what was gained
)


def run(recipe: Recipe, base: Path, run_dir: RunDir, screen: Screen, again_from: str | None = None) -> Report:
    """Run a recipe, or what is left of it.

    Args:
        base: the recipe's folder, which its relative paths start from.
        again_from: make this stage and all after it again.

    Raises:
        InputError: the recipe names what is not there, or a stage cannot use what it was given.
        GateError: an exported graph misses a gate.
    """
    check_preflight(recipe, base)
    run_dir, stages = replace(run_dir, say=screen.say), stages_of(recipe)
    this, made = Run(recipe, base, run_dir, screen), Made()
    with run_dir.locked(), tracked(this, stages, again=again_from is not None) as tracker:
        folder = replace(run_dir, adopt=can_adopt(this))
        this = replace(this, folder=folder, screen=screen.with_loggers(tracker.loggers))
        if again_from is not None:
            this = replace(this, folder=_forgotten(this.folder, again_from))
        run_dir.recipe.write_text(recipe_yaml(recipe), encoding="utf-8")
        write_snapshot(take_snapshot(this.input_paths(), read_snapshot(run_dir.inputs)), run_dir.inputs)
        for stage in stages:
            done = stage.make(this, made)
            if stage is TEXTS:
                tracker.begin(done.finished)
            _tell(screen, stage, done)
            if stage is TEXTS:
                _check_models(this, made)
        tracker.finish(made.report)
        run_dir.clear_work()
        return made.report


def stages_of(recipe: Recipe) -> list[Stage]:
    """The stages that this recipe has, in order."""
    return [stage for stage in STAGES if stage.wanted(recipe)]


def _forgotten(folder: RunDir, again_from: str) -> RunDir:
    """The folder without what this stage and those after it made."""
    again = STAGES[[stage.name for stage in STAGES].index(again_from) :]
    names = [name for stage in again for name in stage.folders]
    folder.forget(names, keep=[stage.name for stage in again if stage.takes_over])
    return replace(folder, again=frozenset(names))


def _check_models(run: Run, made: Made) -> None:
    """Say what the recipe puts in the place of a folder's word, and compare its models with sentence-transformers."""
    for sentence in overridden(run.recipe, run.base):
        run.screen.say(sentence)
    hold_to_peer(run.recipe, run.base, made.texts, run.folder, run.screen)


def _tell(screen: Screen, stage: Stage, done: Done) -> None:
    screen.stage(stage.name, done.seconds, done.said, reused=done.reused)
