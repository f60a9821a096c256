"""The road of one recipe, stage by stage."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from pipeline.preflight.preflight import preflight_errors
from pipeline.preflight.same_vectors import hold_to_peer
from pipeline.recipe.overridden import overridden
from pipeline.recipe.recipe import Recipe, RecipeError, recipe_yaml
from pipeline.recipe.recipe_inputs import input_paths
from pipeline.report.rows import Report
from pipeline.report.trace import traced
from pipeline.run_dir import RunDir, Stage
from pipeline.screen.console import Screen
from pipeline.snapshot import read_snapshot, take_snapshot, write_snapshot
from pipeline.stages.artifacts import artifacts_stage
from pipeline.stages.checkpoints import Checkpoint, checkpoints_stage
from pipeline.stages.embed import embed_stage
from pipeline.stages.engines import describe_engines, engines_stage
from pipeline.stages.graphs import graphs_stage
from pipeline.stages.measure import measure_stage
from pipeline.stages.mine import mine_stage
from pipeline.stages.openvino_irs import Irs, describe_irs, openvino_stage
from pipeline.stages.report import report_stage
from pipeline.stages.reranker import reranker_stage
from pipeline.stages.sharing import groups_of, said_groups
from pipeline.stages.student import students_stage
from pipeline.stages.targets import targets_stage
from pipeline.stages.teacher import teacher_stage
from pipeline.stages.texts import texts_stage
from pipeline.stages.vectors import vectors_stage
from pipeline.texts.load import Texts
from pipeline.tracking.tracker import tracked


def run(recipe: Recipe, base: Path, run_dir: RunDir, screen: Screen, again_from: str | None = None) -> Report:
    """Run a recipe, or what is left of it.

    Args:
        base: the recipe's folder, which its relative paths start from.
        again_from: make this stage and all after it again.

    Raises:
        InputError: the recipe names what is not there, or a stage cannot use what it was given.
        GateError: an exported graph misses a gate.
    """
    errors = preflight_errors(recipe, base)
    if errors:
        raise RecipeError(errors)
    run_dir = replace(run_dir, say=screen.say)
    with run_dir.locked(), tracked(recipe, base, run_dir, screen, again=again_from is not None) as tracker:
        screen = screen.with_loggers(tracker.loggers)
        if again_from is not None:
            run_dir.forget(again_from)
        run_dir.recipe.write_text(recipe_yaml(recipe), encoding="utf-8")
        write_snapshot(take_snapshot(input_paths(recipe, base), read_snapshot(run_dir.inputs)), run_dir.inputs)
        texts_done, texts = texts_stage(recipe, base, run_dir)
        tracker.begin(texts_done)
        _tell(screen, texts_done, describe_texts(texts))
        for sentence in overridden(recipe, base):
            screen.say(sentence)
        hold_to_peer(recipe, base, texts, run_dir, screen)
        vector_targets, mined, pair_targets, embedded = None, None, None, None
        if recipe.embedding is not None:
            vector_targets = vectors_stage(recipe, recipe.embedding, base, texts, texts_done, run_dir, screen.watch)
            _tell(
                screen,
                vector_targets.stage,
                f"{len(vector_targets.texts):,} texts, {len(vector_targets.teachers)} embedding teachers",
            )
            if recipe.embedding.mine is not None:
                how = recipe.embedding.mine
                mine_done, texts, mined = mine_stage(recipe, how, texts, vector_targets, run_dir, screen.watch)
                _tell(screen, mine_done, f"{len(texts.unlabelled):,} pairs without labels")
        if recipe.teacher is not None:
            teacher = teacher_stage(recipe, recipe.teacher, base, texts, texts_done, run_dir, screen.watch)
            _tell(screen, teacher, recipe.teacher.model)
            pair_targets = targets_stage(recipe, texts, teacher, run_dir, screen.watch)
            _tell(screen, pair_targets.stage, f"{len(pair_targets.logits):,} pairs scored")
        if recipe.embedding is not None and vector_targets is not None:
            embedded = embed_stage(recipe, recipe.embedding, base, vector_targets, run_dir, screen.watch)
            _tell(screen, embedded, f"{recipe.student.model}, {recipe.embedding.epochs} epochs{_shared_maps(embedded)}")
        student, trained = students_stage(
            recipe, base, texts, pair_targets, vector_targets, embedded, run_dir, screen.watch
        )
        described = f"{_describe_student(recipe, len(trained))}{_shared_maps(student)}"
        _tell(screen, student, described, [one.stage for one in trained])
        reranked = None
        if recipe.reranker is not None and pair_targets is not None:
            reranked = reranker_stage(recipe, recipe.reranker, texts, pair_targets, run_dir, screen.watch)
            _tell(screen, reranked.stage, f"the teacher{_shared_maps(reranked.stage)}")
        graphs_done, graphs, left_out = graphs_stage(recipe, texts, vector_targets, student, run_dir, screen.watch)
        said = [", ".join(graph.name for graph in graphs), *(f"left out: {one}" for one in left_out)]
        _tell(screen, graphs_done, "\n".join(said))
        irs = Irs()
        if recipe.export.openvino:
            irs_done, irs = openvino_stage(recipe, texts, vector_targets, student, graphs, run_dir, screen.watch)
            _tell(screen, irs_done, describe_irs(irs))
        checkpoints: list[Checkpoint] = []
        if recipe.export.torch:
            quantized, checkpoints = checkpoints_stage(recipe, texts, student, run_dir, screen.watch)
            _tell(screen, quantized, ", ".join(one.name for one in checkpoints))
        measured_done, measured = measure_stage(
            recipe,
            base,
            texts,
            pair_targets,
            vector_targets,
            student,
            trained,
            graphs,
            irs,
            checkpoints,
            run_dir,
            screen.watch,
            embedded,
            reranked,
        )
        _tell(screen, measured_done, f"{len(measured.rows)} rows")
        artifacts, report = artifacts_stage(
            recipe,
            base,
            texts,
            vector_targets,
            mined,
            student,
            graphs,
            left_out,
            irs,
            measured_done,
            measured,
            run_dir,
            reranked,
        )
        _tell(screen, artifacts, f"{len(graphs) + (reranked is not None)} folders")
        engines = None
        if recipe.export.engines:
            engines, built = engines_stage(recipe, texts, graphs, run_dir, screen.watch)
            report = built.added_to(report)
            _tell(screen, engines, describe_engines(built))
        report = traced(report, run_dir.root)
        done = report_stage(report, artifacts, engines, run_dir)
        _tell(screen, done, "report.html, report.md, report.json")
        tracker.finish(report)
        run_dir.clear_work()
        return report


def describe_texts(texts: Texts) -> str:
    """Sizes of the splits, and what was dropped."""
    said = f"train {len(texts.train):,}, dev {len(texts.dev):,}, test {len(texts.test):,}"
    said += f", unlabelled {len(texts.unlabelled):,}" if len(texts.unlabelled) else ""
    dropped = ", ".join(f"{count} {kind}" for kind, count in texts.dropped_counts().items())
    return f"{said}; dropped {dropped} (rows named in texts/texts.json)" if dropped else said


def _describe_student(recipe: Recipe, trained: int) -> str:
    if recipe.student.trained:
        return f"{recipe.student.model} as it is"
    return f"{trained} trained, {recipe.student.form}" if trained else "as embedded: no labelled pairs"


def _shared_maps(stage: Stage) -> str:
    groups = said_groups(groups_of(stage.folder))
    return f", maps shared by layers {groups}" if groups else ""


def _tell(screen: Screen, stage: Stage, what: str, parts: list[Stage] | None = None) -> None:
    every = [stage, *(parts or [])]
    screen.stage(stage.name, sum(one.seconds for one in every), what, reused=all(one.reused for one in every))
