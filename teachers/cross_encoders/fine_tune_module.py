"""The LightningModule of fine-tuning a cross-encoder: wiring only."""

from __future__ import annotations

from typing import Any

from lightning.pytorch import LightningModule
from torch import Tensor

from decant.training.batch_stream import Batch
from decant.training.gather_rows import ROWS, gather_rows
from decant.training.optimizer import FitSettings, adamw
from teachers.cross_encoders.cross_encoder import CrossEncoder
from teachers.cross_encoders.fine_tune import TaskKind, task_loss


class FineTuning(LightningModule):
    """One forward of the pairs, then the task's own loss."""

    def __init__(self, teacher: CrossEncoder, kind: TaskKind, settings: FitSettings, batches: int) -> None:
        super().__init__()
        self.teacher, self.kind, self.settings, self.batches = teacher, kind, settings, batches

    def training_step(self, batch: Batch, index: int) -> Tensor:
        labels, rows = batch.pop("labels"), batch.pop(ROWS, None)
        loss = task_loss(gather_rows(self.teacher(**batch), rows), gather_rows(labels, rows), self.kind)
        self.log("loss", loss)
        return loss

    def configure_optimizers(self) -> Any:
        return adamw(self, self.settings, self.batches)
