from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from students.distill import new_student
from students.losses.score import SCORE_LOSSES
from students.module import Distillation
from teachers.batches import padded
from teachers.fit import Batch
from tests.students.conftest import settings

PAIRS = [("a dog", "the big cat"), ("a river", "water"), ("play", "a red guitar play")]
TARGETS, LABELS = [0.9, 0.4, 0.2], [1.0, math.nan, 0.0]


@pytest.mark.parametrize("loss", ["cosent", "score_mse", "margin_mse", "kl"])
def test_cosine_step_is_the_loss_of_the_cosines(loss: str, backbone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    student = new_student(backbone, 1, settings(), seed=0).eval()
    module = Distillation(student, "regression", loss, 0.25, settings(), batches=1)  # type: ignore[arg-type]
    logged: dict[str, float] = {}
    monkeypatch.setattr(module, "log", lambda name, value: logged.update({name: float(value.detach())}))
    mixed = torch.tensor([0.75 * 1 + 0.25 * 0.9, 0.4, 0.25 * 0.2])
    cosines = torch.from_numpy(student.predict(PAIRS))
    expected = SCORE_LOSSES[loss](cosines, mixed)  # type: ignore[index]
    step = module.training_step(batch_of(module), 0)
    assert step.requires_grad
    assert float(step.detach()) == pytest.approx(float(expected), rel=1e-4)
    assert logged == {"loss": float(step.detach())}


def test_comparator_step_is_dse(backbone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = settings(form="comparator")
    student = new_student(backbone, 1, chosen, seed=0).eval()
    module = Distillation(student, "regression", "cosent", 0.25, chosen, batches=1)
    monkeypatch.setattr(module, "log", lambda name, value: None)
    outputs = student.predict(PAIRS)
    to_labels = ((outputs[0] - 1) ** 2 + outputs[2] ** 2) / 2
    expected = 0.75 * to_labels + 0.25 * np.square(outputs - np.array(TARGETS)).mean()
    assert float(module.training_step(batch_of(module), 0).detach()) == pytest.approx(float(expected), rel=1e-4)


def batch_of(module: Distillation) -> Batch:
    encoder = module.student.encoder
    first, second = (padded(encoder.tokenize([pair[side] for pair in PAIRS]), 1) for side in (0, 1))
    return {
        "first_ids": first[0],
        "first_mask": first[1],
        "second_ids": second[0],
        "second_mask": second[1],
        "targets": torch.tensor(TARGETS)[:, None],
        "labels": torch.tensor(LABELS),
    }
