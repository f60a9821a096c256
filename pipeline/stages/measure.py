"""Stage `measure`: teacher, baselines, students and exported graphs on the test pairs, in one run on one machine."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import TypeAdapter

from decant.progress import Advance, Watch
from decant.training.cores import usable_cores
from pipeline.fingerprint import pairs_digest, stated
from pipeline.measure.agreement import nearest, neighbour_recall, sides_of
from pipeline.measure.evaluate import evaluate
from pipeline.measure.grid import Grid
from pipeline.measure.regressions import Regression, worst_regressions
from pipeline.measure.set_metrics import SetMetrics
from pipeline.recipe.recipe import Recipe
from pipeline.report.machine import Environment, read_environment
from pipeline.report.rows import Row, Seeds
from pipeline.stages.checkpoints import quantized_students
from pipeline.stages.dev_metric import examples_of
from pipeline.stages.estimate_measure import measure_seconds
from pipeline.stages.measure_grid import student_grid
from pipeline.stages.measure_rankings import ranking_grid, ranking_metrics, ranking_notes
from pipeline.stages.measure_speed import measured_speed
from pipeline.stages.measured_models import STUDENT, TEACHER, Candidate, candidates, run_name
from pipeline.stages.stage import Done, Made, Run, Stage
from pipeline.stages.student import Trained
from pipeline.suite.measure_suite import measure_suite
from pipeline.suite.read_sets import LoadedSet, read_sets, sets_digest
from pipeline.texts.load import Split, Texts
from students.pair_student import Student

VERSION = 6


@dataclass(frozen=True)
class Measured:
    """What the stage leaves behind."""

    rows: tuple[Row, ...]
    environment: Environment
    regressions: tuple[Regression, ...]
    notes: tuple[str, ...]
    grid: Grid | None


def make_measured(run: Run, made: Made) -> Done:
    """Every row's metrics with intervals, speed, size and memory; timings are interleaved."""
    recipe, texts, watch = run.recipe, made.texts, run.watch
    models: list[str | None] = [
        one.stage.fingerprint for one in (made.vector_targets, made.reranked, *made.trained) if one is not None
    ]
    models += [one.fingerprint for one in (*made.graphs, made.irs, *made.checkpoints) if one is not None]
    inputs = {
        "settings": stated(recipe.measure), "set": recipe.set_name, "seed": recipe.seed,
        "test": pairs_digest(texts.test.pairs), "labels": texts.test.labels, "student": made.student.fingerprint,
        "teacher": made.teacher.fingerprint if made.teacher is not None else None, "models": models,
        "texts": made.texts_done.fingerprint if texts.rankings is not None else None,
    }  # fmt: skip
    if recipe.measure.sets:
        inputs["suite"] = sets_digest(recipe.measure.sets, run.base)

    def write(folder: Path) -> None:
        sets = read_sets(recipe.measure.sets, run.base)
        threads = recipe.measure.speed.threads or usable_cores()
        torch.set_num_threads(threads)
        environment = read_environment(threads)
        found, notes = candidates(run, made, threads)
        found += quantized_students(recipe, made.checkpoints, threads)
        rows, regressions = _measure(recipe, texts, found, made.trained, watch)
        rows = _on_suite(recipe, rows, found, sets, watch)
        grid_of = student_grid if texts.rankings is None else ranking_grid
        grid = grid_of(run, made) if recipe.student.nesting is not None else None
        content = {
            "grid": grid and grid.model_dump(mode="json"),
            "rows": [row.model_dump(mode="json", by_alias=True) for row in rows],
            "environment": environment.model_dump(mode="json"),
            "regressions": [one.model_dump(mode="json") for one in regressions],
            "notes": [
                *notes,
                *(made.irs.notes if made.irs is not None else ()),
                *(note for one in sets for note in one.notes),
                *(ranking_notes(recipe, texts.rankings, made.lists) if texts.rankings is not None else ()),
            ],
        }
        (folder / "measured.json").write_text(
            json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
        )

    made.measured_done = run.make("measure", VERSION, inputs, write)
    content = json.loads((made.measured_done.folder / "measured.json").read_text(encoding="utf-8"))
    made.measured = Measured(
        tuple(TypeAdapter(list[Row]).validate_python(content["rows"])),
        Environment.model_validate(content["environment"]),
        tuple(TypeAdapter(list[Regression]).validate_python(content["regressions"])),
        tuple(content["notes"]),
        Grid.model_validate(content["grid"]) if content["grid"] else None,
    )
    return Done(made.measured_done, f"{len(made.measured.rows)} rows")


def _measure(
    recipe: Recipe, texts: Texts, candidates: list[Candidate], trained: Sequence[Trained], watch: Watch
) -> tuple[list[Row], list[Regression]]:
    runs = [one for one in trained if len(trained) > 1]
    if texts.rankings is not None:
        metrics, worst = ranking_metrics(recipe, texts.rankings.test, candidates, runs, watch), list[Regression]()
    else:
        metrics, worst = _of_pairs(recipe, texts, candidates, runs, watch)
    seeds = _seeds(recipe, {run_name(one): metrics[run_name(one)].value for one in runs}, runs)
    speed = measured_speed(recipe.measure.speed, texts, candidates, watch)
    set_name = recipe.set_name
    rows = [
        Row.model_validate(
            {"name": one.name, "kind": one.kind, **one.facts, **speed.get(one.name, {})}
            | ({"metrics": {set_name: metrics[one.name]}} if one.name in metrics else {})
            | ({"seeds": seeds[recipe.student.alpha]} if one.name == STUDENT and recipe.student.alpha in seeds else {})
        )
        for one in candidates
    ]
    return rows + _compared(recipe, trained, metrics, seeds, set_name), worst


def _of_pairs(
    recipe: Recipe, texts: Texts, candidates: list[Candidate], runs: Sequence[Trained], watch: Watch
) -> tuple[dict[str, SetMetrics], list[Regression]]:
    """Figures by row on the test pairs, and the pairs on which the student is furthest behind the teacher."""
    splits = 2 if recipe.texts.task.kind == "binary" else 1
    with watch("accuracy", splits * len(candidates) + len(runs)) as advance:
        test = _predictions(candidates, texts.test, advance)
        dev = _predictions(candidates, texts.dev, advance) if splits == 2 else {}
        for one in runs:
            advance(0, run_name(one))
            model = Student.load(one.stage.folder)
            test[run_name(one)] = model.predict(texts.test.pairs)
            if dev:
                dev[run_name(one)] = model.predict(texts.dev.pairs)
            advance(1)
    if recipe.without_labels:
        test[TEACHER] = texts.test.labels  # which it is the source of: in other arithmetic it would differ a little
    examples = examples_of(recipe, texts)
    metrics = evaluate(examples, test, dev_predictions=dev, teacher=TEACHER, student=STUDENT)
    if recipe.without_labels:
        metrics = _with_neighbours(recipe, texts, candidates, metrics)
    worst = worst_regressions(
        recipe.texts.task.of_pairs, texts.test.pairs, examples.labels, test[TEACHER], test[STUDENT]
    )
    return metrics, worst


def _on_suite(
    recipe: Recipe, rows: list[Row], candidates: list[Candidate], sets: Sequence[LoadedSet], watch: Watch
) -> list[Row]:
    """The rows, those of models of vectors with their figures on the suite behind those on the test set."""
    if not sets:
        return rows
    encoders = {one.name: one.encoder for one in candidates if one.encoder is not None}
    teacher = next((one.name for one in candidates if one.kind == "teacher" and one.encoder is not None), None)
    found = measure_suite(
        sets, encoders, watch, teacher=teacher, student=STUDENT, resamples=recipe.measure.resamples, seed=recipe.seed
    )
    return [row.model_copy(update={"metrics": row.metrics | found.get(row.name, {})}) for row in rows]


def _with_neighbours(
    recipe: Recipe, texts: Texts, candidates: list[Candidate], metrics: dict[str, SetMetrics]
) -> dict[str, SetMetrics]:
    """The figures, with the share of the teacher's nearest texts that each model of vectors finds too."""
    some, found = sides_of(texts.test.pairs)[0], dict(metrics)
    ways = {one.name: one.encode or one.vectors for one in candidates if one.name in metrics}
    vectors = {name: encode(some) for name, encode in ways.items() if encode is not None}
    expected = nearest(vectors[TEACHER])
    for name, own in vectors.items():
        recall = neighbour_recall(own, expected, recipe.measure.resamples, recipe.seed)
        found[name] = metrics[name].model_copy(update=recall)
    return found


def _predictions(candidates: list[Candidate], split: Split, advance: Advance) -> dict[str, NDArray[np.float32]]:
    found = {}
    for one in candidates:
        advance(0, one.name)
        if one.predict is not None:
            found[one.name] = one.predict(split.pairs)
        advance(1)
    return found


def _seeds(recipe: Recipe, values: dict[str, float], trained: list[Trained]) -> dict[float, Seeds]:
    found = {}
    for alpha in (recipe.student.alpha, *recipe.student.compare_alphas):
        each = [values[run_name(one)] for one in trained if one.alpha == alpha]
        if len(each) >= 2:
            found[alpha] = Seeds(count=len(each), mean=float(np.mean(each)), sd=float(np.std(each, ddof=1)))
    return found


def _compared(
    recipe: Recipe, trained: Sequence[Trained], metrics: dict[str, SetMetrics], seeds: dict[float, Seeds], set_name: str
) -> list[Row]:
    """A row for each other alpha: its best student on dev, and the mean over its seeds."""
    rows = []
    for alpha in recipe.student.compare_alphas:
        best = max((one for one in trained if one.alpha == alpha), key=lambda one: one.dev)
        facts: dict[str, object] = {
            "name": f"student, alpha {alpha:g}",
            "kind": "student",
            "precision": "fp32",
            "runtime": "torch",
        }
        facts |= {
            "form": recipe.student.form,
            "trained_on_labels": recipe.saw_labels(alpha),
            "note": f"seed {best.seed}, best on dev",
        }
        metric = {"metrics": {set_name: metrics[run_name(best)]}}
        rows.append(Row.model_validate(facts | metric | ({"seeds": seeds[alpha]} if alpha in seeds else {})))
    return rows


MEASURE = Stage(
    "measure", VERSION, make_measured,
    reads=("texts", "vectors", "candidates", "mine", "teacher", "targets", "embed", "student", "reranker", "graphs",
           "openvino", "checkpoints"),
    seconds=measure_seconds,
)  # fmt: skip
