"""Which loss of the cosine form learns a teacher best: each over several seeds, judged on dev, test beside it.

    python benchmarks/score_losses.py RUN [--epochs 1] [--seeds 3] [--alpha 0.5]

RUN is a finished run of a regression task; its texts and its teacher's logits are used, nothing in it is changed.
A loss is to be chosen by its dev column.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
import yaml

from decant.models.reference import model_digest, resolve_model
from decant.training.training import Training
from pipeline.measure.correlation import spearman
from pipeline.recipe.recipe import Recipe
from pipeline.report.machine import read_environment
from pipeline.run_dir import RunDir
from pipeline.stages.dev_metric import dev_metric
from pipeline.stages.targets import student_targets, training_pairs
from pipeline.texts.load import read_texts
from students.distill.distill_pairs import distill, new_student
from students.distill.distill_settings import DistillSettings
from students.losses.pair_losses import PAIR_LOSSES
from teachers.cross_encoders.fine_tune import PairData
from teachers.labels.score_store import pair_key, read_shards


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--alpha", type=float, default=0.5)
    parser.add_argument("--learning-rate", type=float, default=5e-5)
    options = parser.parse_args()
    run = RunDir(options.run)
    recipe = Recipe.model_validate(yaml.safe_load(run.recipe.read_text(encoding="utf-8")))
    texts, teacher = read_texts(run.folder("texts")), run.folder("teacher")
    known = read_shards(run.folder("targets") / "shards" / model_digest(teacher)[:16], 1)
    logits = np.stack([known[pair_key(pair)] for pair in training_pairs(texts)])
    cosine = recipe.model_copy(update={"student": recipe.student.model_copy(update={"form": "cosine"})})
    targets = student_targets(cosine, logits, texts, teacher)
    labels = np.concatenate([texts.train.labels, texts.unlabelled.labels])
    metric = dev_metric("regression", texts.dev.labels, None)
    source = resolve_model(recipe.student.model)
    environment = read_environment()
    print(f"{len(labels)} pairs, {options.epochs} epochs, alpha {options.alpha:g}, {options.seeds} seeds;", end=" ")
    print(f"{environment.cpu} ({', '.join(environment.cpu_features)})\n\n| loss | dev | test |\n| --- | --- | --- |")
    for loss in PAIR_LOSSES:
        settings = DistillSettings(
            loss={loss: 1.0},
            epochs=options.epochs,
            learning_rate=options.learning_rate,
            max_length=recipe.student.max_length,
        )
        found = []
        for seed in range(options.seeds):
            student = new_student(source, 1, settings, seed)
            with tempfile.TemporaryDirectory() as folder:
                data = PairData(training_pairs(texts), labels, "regression", texts.dev.pairs, metric)
                distill(student, data, targets, Training(Path(folder), settings, seed), alpha=options.alpha)
            test = spearman(student.predict(texts.test.pairs).astype(np.float64), texts.test.labels.astype(np.float64))
            found.append((metric(student.predict(texts.dev.pairs)), test))
        dev, test_values = np.array(found).T * 100
        cells = [f"{values.mean():.2f} ± {values.std(ddof=1):.2f}" for values in (dev, test_values)]
        print(f"| {loss} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
