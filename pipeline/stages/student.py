"""Stage `student`: one student a seed and alpha; the best on dev of the recipe's own alpha is the student."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.recipe import Recipe
from pipeline.run_dir import MARK, RunDir, Stage, fingerprint
from pipeline.stages.metric import dev_metric
from pipeline.stages.targets import student_targets, training_pairs
from pipeline.texts.load import Texts
from students.distill import distill, new_student
from teachers.fit import DEV_METRIC, training_precision
from teachers.progress import Watch
from teachers.reference import model_digest, resolve_model

VERSION = 1
TRAINING = "training"


@dataclass(frozen=True)
class Trained:
    """One trained student and its metric on dev."""

    alpha: float
    seed: int
    stage: Stage
    dev: float


def students_stage(
    recipe: Recipe, base: Path, texts: Texts, targets: Stage, logits: NDArray[np.float32], teacher: Stage,
    run_dir: RunDir, watch: Watch,
) -> tuple[Stage, list[Trained]]:  # fmt: skip
    """The chosen student's folder, and all that were trained (the recipe's alpha first, then those to compare)."""
    settings = recipe.student
    source = resolve_model(settings.model, base)
    common: dict[str, object] = {
        "settings": settings.model_dump(mode="json", exclude={"seeds", "compare_alphas", "alpha"}),
        "model": model_digest(source), "targets": targets.fingerprint, "metric": recipe.measure.metric,
        "labels": texts.train.labels.tolist(), "dev": [texts.dev.pairs, texts.dev.labels.tolist()],
        "precision": training_precision(settings),
    }  # fmt: skip
    wanted = student_targets(recipe, logits, texts, teacher.folder)
    labels = np.concatenate([texts.train.labels, texts.unlabelled.labels])
    pairs = training_pairs(texts)
    metric = dev_metric(recipe.texts.task.kind, texts.dev.labels, recipe.measure.metric)
    trained = []
    for alpha in (settings.alpha, *settings.compare_alphas):
        for seed in settings.seeds:

            def write(folder: Path, alpha: float = alpha, seed: int = seed) -> None:
                student = new_student(source, recipe.texts.task.outputs, settings, seed)
                distill(
                    student, pairs, wanted, labels, recipe.texts.task.kind, texts.dev.pairs, metric,
                    folder / TRAINING, settings, alpha=alpha, seed=seed, watch=watch,
                ).save(folder)  # fmt: skip
                (folder / TRAINING / "best.safetensors").unlink(missing_ok=True)
                facts = {"alpha": alpha, "seed": seed, DEV_METRIC: metric(student.predict(texts.dev.pairs))}
                (folder / "trained.json").write_text(json.dumps(facts) + "\n", encoding="utf-8")

            mark = fingerprint("student", VERSION, common | {"alpha": alpha, "seed": seed})
            stage = run_dir.make(f"students/alpha{alpha:g}-seed{seed}", mark, write)
            facts = json.loads((stage.folder / "trained.json").read_text(encoding="utf-8"))
            trained.append(Trained(alpha, seed, stage, facts[DEV_METRIC]))
    best = max((one for one in trained if one.alpha == settings.alpha), key=lambda one: one.dev)

    def choose(folder: Path) -> None:
        shutil.copytree(best.stage.folder, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns(MARK))

    return run_dir.make("student", fingerprint("student", VERSION, {"best": best.stage.fingerprint}), choose), trained
