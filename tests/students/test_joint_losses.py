"""Two processes that share a batch have the loss and the gradients of one process that holds it all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

import numpy as np
import pytest
import torch
from lightning.pytorch import LightningModule
from numpy.typing import NDArray
from torch import Tensor
from torch import distributed as dist
from torch.nn import functional

from decant.batches import padded
from decant.training.batch_stream import Batch, BatchStream
from decant.training.devices import TrainerSettings
from decant.training.gather_rows import world
from decant.training.launcher import launch
from decant.training.optimizer import FitSettings
from students.distill.comparator import Comparator
from students.distill.distill_settings import DistillVectorsSettings, HiddenStates, RelationStates, States
from students.distill.pairs_module import Distillation
from students.distill.vectors_module import VectorDistillation
from students.losses.pair_losses import PAIR_LOSSES
from students.nesting.nested import StepExits
from students.nesting.nesting import EseNesting, GridNesting, TwoDNesting
from students.pair_student import Student
from teachers.cross_encoders.cross_encoder import CrossEncoder
from teachers.cross_encoders.fine_tune_module import FineTuning
from tests.students.conftest import TOPICS, settings
from tests.tiny_models import tiny_backbone_folder, tiny_encoder

Collate = Callable[[NDArray[np.int64]], Batch]
TEXTS = [f"{'the big ' * (index % 4)}{word}" for index, word in enumerate(sum(TOPICS, []) * 3)]
OTHERS = [text[::-1] if index % 3 else text for index, text in enumerate(TEXTS)]
LABELS = torch.linspace(0, 1, len(TEXTS)).roll(5)
LABELS[2] = torch.nan
TARGETS = (LABELS.nan_to_num(0.3) * 0.8 + 0.1)[:, None]
FIT = FitSettings(precision="32-true")


@dataclass(frozen=True)
class Case:
    module: LightningModule
    collate: Collate


@dataclass(frozen=True)
class Found:
    loss: float
    gradients: dict[str, Tensor]


def taken(case: Case, rows: int) -> Found:
    """One step on the first rows, gradients averaged over the processes as DDP does."""
    batch = next(iter(BatchStream([1] * rows, case.collate, rows, 0, lambda generator: [np.arange(rows)])))
    case.module.zero_grad()
    loss = case.module.training_step(batch, 0)
    loss.backward()
    gradients = {}
    for name, weight in case.module.named_parameters():
        gradients[name] = torch.zeros_like(weight) if weight.grad is None else weight.grad.clone()
        if world() > 1:
            dist.all_reduce(gradients[name])
            gradients[name] /= world()
    return Found(float(loss.detach()), gradients)


def all_taken(cases: dict[str, Case], counts: tuple[int, ...]) -> dict[tuple[str, int], Found]:
    here = SimpleNamespace(current_epoch=0)
    with (
        patch.object(LightningModule, "log", lambda *_: None),
        patch.object(LightningModule, "trainer", here),
    ):
        return {(name, rows): taken(case, rows) for name, case in cases.items() for rows in counts}


def pairs_case(module: Distillation, width: int = 0) -> Case:
    encoder = module.student.encoder
    sides = {"first": encoder.tokenize(TEXTS), "second": encoder.tokenize(OTHERS)}
    vectors = functional.normalize(torch.randn(2, len(TEXTS), max(1, width), generator=torch.Generator()), dim=2)

    def collate(rows: NDArray[np.int64]) -> Batch:
        batch: Batch = {"targets": TARGETS[rows], "labels": LABELS[rows]}
        for side, ids in sides.items():
            batch[f"{side}_ids"], batch[f"{side}_mask"] = padded([ids[row] for row in rows], 1)
        return batch | ({"vectors": vectors[:, rows].flatten(0, 1)} if width else {})

    return Case(module, collate)


def student_cases() -> dict[str, Case]:
    cases = {}
    for name in PAIR_LOSSES:
        student = Student(tiny_encoder(num_hidden_layers=1))
        cases[name] = pairs_case(Distillation(student, "regression", {name: 1.0}, 0.5, settings(), 1))
    torch.manual_seed(0)
    compared = Student(tiny_encoder(num_hidden_layers=1), Comparator(32, 1, 16))
    cases["comparator"] = pairs_case(Distillation(compared, "binary", {"cosent": 1.0}, 0.5, settings(), 1))
    for nesting in (GridNesting(), TwoDNesting(), EseNesting()):
        student = Student(tiny_encoder(num_hidden_layers=3))
        exits = StepExits(student.encoder, nesting, (8,), 0)
        losses = {"cosent": 1.0, "info_nce": 0.5}
        nested = Distillation(student, "regression", losses, 0.5, settings(), 1, exits, keep=2.0)
        cases[nesting.kind] = pairs_case(nested, 32)
    return cases


def embedding_case(states: States | None, width: int) -> Case:
    encoder, live = tiny_encoder(num_hidden_layers=2), tiny_encoder(seed=9, hidden_size=width)
    ids, taught = encoder.tokenize(TEXTS), live.encode(TEXTS)

    def collate(rows: NDArray[np.int64]) -> Batch:
        input_ids, mask = padded([ids[row] for row in rows], 1)
        return {"input_ids": input_ids, "attention_mask": mask, "teacher": torch.from_numpy(taught[rows])}

    how = DistillVectorsSettings(states=states, precision="32-true")
    beside = live if states is not None else None
    return Case(VectorDistillation(encoder, width, beside, how, GridNesting(), (8,), 0, 1), collate)


def teacher_case(folder: Path) -> Case:
    teacher = CrossEncoder.from_backbone(folder, 1, dropout=0.0)
    ids, types = teacher.tokenize(list(zip(TEXTS, OTHERS, strict=True)))

    def collate(rows: NDArray[np.int64]) -> Batch:
        batch = teacher.collate([ids[row] for row in rows], None if types is None else [types[row] for row in rows])
        return batch | {"labels": LABELS.nan_to_num()[rows]}

    return Case(FineTuning(teacher, "regression", FIT, 1), collate)


def test_two_processes_have_the_loss_and_gradients_of_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("decant.training.devices.usable_cores", lambda: 2)
    cases = student_cases()
    cases["vectors"] = embedding_case(None, 64)
    cases["hidden"] = embedding_case(HiddenStates(kind="hidden"), 64)
    cases["relations"] = embedding_case(RelationStates(kind="relations", heads=4), 32)
    cases["teacher"] = teacher_case(tiny_backbone_folder(tmp_path, "bert", num_hidden_layers=1))
    counts = (12, 7, 1)  # an odd batch, and one that leaves a process without a row
    alone = all_taken(cases, counts)
    with launch(lambda: all_taken(cases, counts), TrainerSettings(devices=2, accelerator="cpu")):
        assert world() == 2
        shared = all_taken(cases, counts)
    assert alone.keys() == shared.keys()
    for one, expected in alone.items():
        assert shared[one].loss == pytest.approx(expected.loss, rel=1e-5, abs=1e-5), one
        for name, gradient in expected.gradients.items():
            largest = max(1.0, float(gradient.abs().max()))
            assert float((shared[one].gradients[name] - gradient).abs().max()) < 1e-5 * largest, (one, name)
    assert any(float(gradient.abs().max()) > 1e-3 for gradient in alone["info_nce", 12].gradients.values())
