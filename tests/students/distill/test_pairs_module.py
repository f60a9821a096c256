from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from decant.batches import padded
from decant.training.batch_stream import Batch
from students.distill.distill_pairs import new_student
from students.distill.pairs_module import Distillation
from students.losses.loss_weights import PairLoss, VectorWeights
from students.losses.pair_losses import pair_loss
from students.losses.vector_losses import vector_loss
from students.nesting.nested import StepExits
from students.nesting.nesting import LastNesting, MatryoshkaNesting, Nesting
from tests.students.conftest import settings

PAIRS = [("a dog", "the big cat"), ("a river", "water"), ("play", "a red guitar play")]
TARGETS, LABELS = [0.9, 0.4, 0.2], [1.0, math.nan, 0.0]


@pytest.mark.parametrize("losses", [{"cosent": 1.0}, {"margin_mse": 2.0, "angle": 0.5}, {"info_nce": 1.0}])
def test_cosine_step_is_the_loss_of_the_pairs(
    losses: dict[PairLoss, float], backbone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    student = new_student(backbone, 1, settings(), seed=0).eval()
    module = Distillation(student, "regression", losses, 0.25, settings(), batches=1)
    logged: dict[str, float] = {}
    monkeypatch.setattr(module, "log", lambda name, value: logged.update({name: float(value.detach())}))
    mixed = torch.tensor([0.75 * 1 + 0.25 * 0.9, 0.4, 0.25 * 0.2])
    first, second = (torch.from_numpy(student.encoder.encode([pair[side] for pair in PAIRS])) for side in (0, 1))
    expected = pair_loss(first, second, mixed, losses)
    step = module.training_step(batch_of(module), 0)
    assert step.requires_grad
    assert float(step.detach()) == pytest.approx(float(expected), rel=1e-4)
    assert logged == {"loss": float(step.detach())}


def test_comparator_step_is_dse(backbone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = settings(form="comparator")
    student = new_student(backbone, 1, chosen, seed=0).eval()
    module = Distillation(student, "regression", {"cosent": 1.0}, 0.25, chosen, batches=1)
    monkeypatch.setattr(module, "log", lambda name, value: None)
    outputs = student.predict(PAIRS)
    to_labels = ((outputs[0] - 1) ** 2 + outputs[2] ** 2) / 2
    expected = 0.75 * to_labels + 0.25 * np.square(outputs - np.array(TARGETS)).mean()
    assert float(module.training_step(batch_of(module), 0).detach()) == pytest.approx(float(expected), rel=1e-4)


@pytest.mark.parametrize(("width", "same_space"), [(32, True), (5, False)])
def test_keep_adds_the_losses_to_the_embedding_teacher(
    width: int, same_space: bool, backbone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    added, own, vectors = added_by_keep(LastNesting(), (), width, backbone, monkeypatch)
    expected = vector_loss(own, vectors, VectorWeights(), own if same_space else None)
    assert added == pytest.approx(3 * float(expected), rel=1e-3)


def test_shorter_vectors_are_not_in_the_space_of_a_teacher_of_their_length(
    backbone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    added, own, vectors = added_by_keep(MatryoshkaNesting(), (8,), 8, backbone, monkeypatch)
    short = functional.normalize(own[:, :8], dim=1)
    expected = sum(float(vector_loss(one, vectors, VectorWeights(), None)) for one in (own, short)) / 2
    assert added == pytest.approx(3 * expected, rel=1e-3)


def added_by_keep(
    nesting: Nesting, dims: tuple[int, ...], width: int, backbone: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[float, Tensor, Tensor]:
    """What a keep of 3 adds to a step's loss, the student's vectors, and the teacher's, float32 [6, width]."""
    student = new_student(backbone, 1, settings(), seed=0).eval()
    vectors = functional.normalize(torch.randn(6, width, generator=torch.Generator().manual_seed(1)), dim=1)
    exits = StepExits(student.encoder, nesting, dims, seed=0)
    module = Distillation(student, "regression", {"score_mse": 1.0}, 0.25, settings(), batches=1, exits=exits, keep=3.0)
    monkeypatch.setattr(Distillation, "trainer", SimpleNamespace(current_epoch=0))
    monkeypatch.setattr(module, "log", lambda name, value: None)
    batch = batch_of(module)
    plain = float(module.training_step(batch, 0).detach())
    kept = float(module.training_step(batch | {"vectors": vectors}, 0).detach())
    own = torch.from_numpy(student.encoder.encode([pair[side] for side in (0, 1) for pair in PAIRS]))
    return kept - plain, own, vectors


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
