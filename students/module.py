"""The LightningModule of distillation: wiring only; the losses are in `students.losses`."""

from __future__ import annotations

from typing import Any

import torch
from lightning.pytorch import LightningModule
from torch import Tensor

from students.losses.score import SCORE_LOSSES, ScoreLoss, dse, mixed_targets
from students.student import Student
from teachers.fine_tune import TaskKind
from teachers.fit import Batch, FitSettings, adamw


class Distillation(LightningModule):
    """One forward a side, then the loss of the student's form.

    Args:
        batches: batches an epoch.
    """

    def __init__(
        self,
        student: Student,
        kind: TaskKind,
        loss: ScoreLoss,
        alpha: float,
        settings: FitSettings,
        batches: int,
    ) -> None:
        super().__init__()
        self.student, self.kind, self.score_loss, self.alpha = student, kind, SCORE_LOSSES[loss], alpha
        self.settings, self.batches = settings, batches

    def training_step(self, batch: Batch, index: int) -> Tensor:
        u = self.student.encoder(batch["first_ids"], batch["first_mask"])[1]
        v = self.student.encoder(batch["second_ids"], batch["second_mask"])[1]
        with torch.autocast(u.device.type, enabled=False):
            loss = self._loss(u.float(), v.float(), batch["targets"], batch["labels"])
        self.log("loss", loss)
        return loss

    def _loss(self, u: Tensor, v: Tensor, targets: Tensor, labels: Tensor) -> Tensor:
        if self.student.comparator is not None:
            return dse(self.student.comparator(u, v), targets, labels, self.kind, self.alpha)
        return self.score_loss((u * v).sum(dim=1), mixed_targets(labels, targets[:, 0], self.alpha))

    def configure_optimizers(self) -> Any:
        return adamw(self, self.settings, self.batches)
