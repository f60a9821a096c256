"""The LightningModule of distillation: wiring only; the losses are in `students.losses`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from lightning.pytorch import LightningModule
from torch import Tensor

from decant.training.batch_stream import Batch
from decant.training.gather_rows import ROWS, gather_rows
from decant.training.optimizer import FitSettings, adamw
from students.distill.distill_settings import PairSettings
from students.losses.loss_weights import PairLoss, VectorWeights
from students.losses.pair_losses import pair_loss
from students.losses.score_losses import COSENT_SCALE, dse, mixed_targets
from students.losses.vector_losses import vector_loss
from students.nesting.nested import StepExits
from students.pair_student import Student
from teachers.cross_encoders.fine_tune import TaskKind


class Distillation(LightningModule):
    """One forward a side, then the loss of the student's form, at every exit of the step where it is nested.

    Of several processes each runs the encoder on its rows, and takes the losses of all of the batch.

    Args:
        losses: what each loss of the cosine form weighs.
        batches: batches an epoch.
        exits: of a nested student.
        keep: weight of `vector_loss` to the embedding teacher's vectors, which the batch then holds as `vectors`,
            first sides before second ones.
    """

    def __init__(
        self,
        student: Student,
        kind: TaskKind,
        losses: Mapping[PairLoss, float],
        alpha: float,
        settings: FitSettings,
        batches: int,
        exits: StepExits | None = None,
        keep: float = 0.0,
    ) -> None:
        super().__init__()
        self.student, self.kind, self.losses, self.alpha = student, kind, losses, alpha
        self.settings, self.batches, self.exits, self.keep = settings, batches, exits, keep
        self.scale = settings.cosent_scale if isinstance(settings, PairSettings) else COSENT_SCALE

    def training_step(self, batch: Batch, index: int) -> Tensor:
        loss = self._plain(batch) if self.exits is None else self._nested(self.exits, batch, index)
        self.log("loss", loss)
        return loss

    def _plain(self, batch: Batch) -> Tensor:
        u = self.student.encoder(batch["first_ids"], batch["first_mask"])[1]
        v = self.student.encoder(batch["second_ids"], batch["second_mask"])[1]
        rows = batch.get(ROWS)
        u, v, targets, labels = (
            gather_rows(one, rows) for one in (u.float(), v.float(), batch["targets"], batch["labels"])
        )
        with torch.autocast(u.device.type, enabled=False):
            return self._loss(u, v, targets, labels)

    def _nested(self, exits: StepExits, batch: Batch, index: int) -> Tensor:
        step = exits.plan(self.trainer.current_epoch * self.batches + index)
        rows = batch.get(ROWS)
        sides = [
            [gather_rows(one, rows) for one in exits.forward(step, batch[f"{side}_ids"], batch[f"{side}_mask"])]
            for side in ("first", "second")
        ]
        targets, labels = gather_rows(batch["targets"], rows), gather_rows(batch["labels"], rows)
        teacher = (
            torch.cat([gather_rows(one, rows) for one in batch["vectors"].chunk(2)]) if "vectors" in batch else None
        )

        def base(vectors: Tensor, layer: int, dim: int) -> Tensor:
            u, v = vectors.chunk(2)
            loss = self._loss(u, v, targets, labels)
            if teacher is None:
                return loss
            same_space = vectors if dim == self.student.encoder.width == teacher.shape[1] else None
            return loss + self.keep * vector_loss(vectors, teacher, VectorWeights(), same_space)

        with torch.autocast(targets.device.type, enabled=False):
            return exits.loss([torch.cat(pair) for pair in zip(*sides, strict=True)], step, base)

    def _loss(self, u: Tensor, v: Tensor, targets: Tensor, labels: Tensor) -> Tensor:
        if self.student.comparator is not None:
            return dse(self.student.comparator(u, v), targets, labels, self.kind, self.alpha)
        return pair_loss(u, v, mixed_targets(labels, targets[:, 0], self.alpha), self.losses, self.scale)

    def configure_optimizers(self) -> Any:
        return adamw(self, self.settings, self.batches)
