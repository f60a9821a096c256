from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from pydantic import ValidationError

from decant.errors import InputError
from decant.training.training import Training
from students.distill.distill_pairs import distill, new_student
from students.distill.distill_settings import DistillSettings
from students.pair_student import Student
from teachers.cross_encoders.fine_tune import PairData, TaskKind
from tests.students.conftest import Topics, settings


def cosine_student(
    backbone: Path,
    train: Topics,
    dev: Topics,
    folder: Path,
    labels: NDArray[np.float32],
    seed: int = 0,
    **changes: object,
) -> tuple[float, Student]:
    """Dev Spearman before training, and the trained student."""
    chosen = settings(**changes)
    student = new_student(backbone, 1, chosen, seed)
    before = dev.spearman(student.predict(dev.pairs))
    targets = train.scores[:, None]
    data = PairData(train.pairs, labels, "regression", dev.pairs, dev.spearman)
    distill(student, data, targets, Training(folder, chosen, seed), alpha=chosen.alpha)
    return before, student


@pytest.mark.parametrize("loss", ["cosent", "score_mse", "margin_mse", "kl"])
def test_every_loss_raises_the_dev_metric(
    loss: str, backbone: Path, train: Topics, dev: Topics, tmp_path: Path
) -> None:
    unlabelled = np.full(len(train.pairs), math.nan, np.float32)
    before, student = cosine_student(backbone, train, dev, tmp_path, unlabelled, loss=loss)
    after = dev.spearman(student.predict(dev.pairs))
    assert after > max(0.7, before + 0.2)
    assert not student.training


@pytest.mark.parametrize("kind", ["regression", "binary", "multiclass"])
@pytest.mark.parametrize("labelled", [True, False])
def test_comparator_learns_every_kind(
    kind: TaskKind, labelled: bool, backbone: Path, train: Topics, dev: Topics, tmp_path: Path
) -> None:
    chosen = settings(form="comparator", epochs=12)
    outputs = 3 if kind == "multiclass" else 1
    # multi-class: the first text's topic; otherwise whether both have one topic
    classes = train.topics[:, 0] if kind == "multiclass" else (train.topics[:, 0] == train.topics[:, 1])
    labels = classes.astype(np.float32)
    logits = 4 * np.eye(3, dtype=np.float32)[train.topics[:, 0]] - 2
    targets = logits if kind == "multiclass" else 8 * train.scores[:, None] - 4
    if not labelled:
        labels = np.full_like(labels, math.nan)

    def metric(predictions: NDArray[np.float32]) -> float:
        if kind == "multiclass":
            return float((predictions.argmax(axis=1) == dev.topics[:, 0]).mean())
        return dev.spearman(predictions)

    student = new_student(backbone, outputs, chosen, seed=0)
    before = metric(student.predict(dev.pairs))
    data = PairData(train.pairs, labels, kind, dev.pairs, metric)
    distill(student, data, targets, Training(tmp_path, chosen, 0), alpha=0.5)
    assert metric(student.predict(dev.pairs)) > max(0.6, before + 0.2)


def test_alpha_0_learns_the_labels_and_alpha_1_the_teacher(
    backbone: Path, train: Topics, dev: Topics, tmp_path: Path
) -> None:
    against = 1 - train.scores
    spearman = {}
    for alpha in (0.0, 1.0):
        folder = tmp_path / str(alpha)
        student = cosine_student(backbone, train, dev, folder, against, alpha=alpha, loss="score_mse", epochs=4)[1]
        spearman[alpha] = dev.spearman(student.predict(dev.pairs))
    assert spearman[1.0] > 0.6
    assert spearman[0.0] < spearman[1.0] - 0.3


def test_seed_decides_everything(backbone: Path, train: Topics, dev: Topics, tmp_path: Path) -> None:
    found = [
        cosine_student(backbone, train, dev, tmp_path / str(number), train.scores, seed, epochs=1, dropout=0.1)[1]
        for number, seed in enumerate((4, 4, 5))
    ]
    first, again, other = (student.state_dict() for student in found)
    assert all(torch.equal(weight, again[name]) for name, weight in first.items())
    assert not all(torch.equal(weight, other[name]) for name, weight in first.items())


def test_cosine_has_no_classes(backbone: Path) -> None:
    with pytest.raises(InputError, match="form: cosine gives one score a pair, but the task has classes"):
        new_student(backbone, 3, settings(), seed=0)


def test_angles_need_even_lengths(backbone: Path) -> None:
    chosen = settings(loss="angle", nesting={"kind": "matryoshka"}, dims=(16, 7))
    with pytest.raises(InputError, match="angle splits a vector in two halves, but a length of 7 is odd; make it even"):
        new_student(backbone, 1, chosen, seed=0)


@pytest.mark.parametrize("outputs", [1, 3])
def test_new_student_has_the_pretrained_encoder(backbone: Path, outputs: int) -> None:
    chosen = settings(form="comparator", hidden=20)
    first, other = (new_student(backbone, outputs, chosen, seed) for seed in (0, 1))
    assert first.comparator is not None
    assert other.comparator is not None
    assert (first.comparator.outputs, first.comparator.hidden, first.encoder.max_length) == (outputs, 20, 16)
    assert not torch.equal(first.comparator.output.weight, other.comparator.output.weight)
    pairs = zip(first.encoder.state_dict().values(), other.encoder.state_dict().values(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def test_too_few_pairs(backbone: Path, train: Topics, dev: Topics, tmp_path: Path) -> None:
    one = Topics(train.pairs[:1], train.topics[:1])
    with pytest.raises(InputError, match="alpha 0.5.*: 1 training pairs are too few"):
        cosine_student(backbone, one, dev, tmp_path, one.scores)


@pytest.mark.parametrize(
    ("field", "value"),
    [("alpha", 1.1), ("form", "dot"), ("loss", "mse"), ("seeds", ()), ("max_length", 3), ("typo", 1)],
)
def test_settings_outside_their_range(field: str, value: object) -> None:
    with pytest.raises(ValidationError, match=field):
        DistillSettings(**{field: value})
