"""The LightningModule of distilling lists: wiring only; the losses are in `students.losses`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from lightning.pytorch import LightningModule
from torch import Tensor

from decant.training.batch_stream import Batch
from decant.training.optimizer import FitSettings, adamw
from students.losses.list_losses import ListTargets, list_loss
from students.losses.loss_weights import ListLoss, ListTemperatures, VectorWeights
from students.losses.vector_losses import vector_loss
from students.nesting.nested import StepExits
from students.pair_student import Student


class ListDistillation(LightningModule):
    """One forward of the queries and one of the documents, then the losses of lists, at every exit where nested.

    Args:
        losses: what each loss weighs.
        batches: batches an epoch.
        exits: of a nested student.
        keep: weight of `vector_loss` to the embedding teacher's vectors, which the batch then holds as `vectors`,
            queries before documents.
    """

    def __init__(
        self, student: Student, losses: Mapping[ListLoss, float], temperatures: ListTemperatures,
        settings: FitSettings, batches: int, exits: StepExits | None = None, keep: float = 0.0,
    ) -> None:  # fmt: skip
        super().__init__()
        self.student, self.losses, self.temperatures = student, losses, temperatures
        self.settings, self.batches, self.exits, self.keep = settings, batches, exits, keep

    def training_step(self, batch: Batch, index: int) -> Tensor:
        loss = self._plain(batch) if self.exits is None else self._nested(self.exits, batch, index)
        self.log("loss", loss)
        return loss

    def _plain(self, batch: Batch) -> Tensor:
        queries, documents = (
            self.student.encoder(batch[f"{side}_ids"], batch[f"{side}_mask"])[1].float()
            for side in ("query", "document")
        )
        with torch.autocast(queries.device.type, enabled=False):
            return list_loss(queries, documents, _targets(batch), self.losses, self.temperatures)

    def _nested(self, exits: StepExits, batch: Batch, index: int) -> Tensor:
        step = exits.plan(self.trainer.current_epoch * self.batches + index)
        sides = [exits.forward(step, batch[f"{side}_ids"], batch[f"{side}_mask"]) for side in ("query", "document")]
        targets, teacher = _targets(batch), batch.get("vectors")
        lists = len(batch["query_ids"])

        def base(vectors: Tensor, layer: int, dim: int) -> Tensor:
            loss = list_loss(vectors[:lists], vectors[lists:], targets, self.losses, self.temperatures)
            if teacher is None:
                return loss
            same_space = vectors if dim == self.student.encoder.width == teacher.shape[1] else None
            return loss + self.keep * vector_loss(vectors, teacher, VectorWeights(), same_space)

        with torch.autocast(targets.teacher.device.type, enabled=False):
            return exits.loss([torch.cat(both) for both in zip(*sides, strict=True)], step, base)

    def configure_optimizers(self) -> Any:
        return adamw(self, self.settings, self.batches)


def _targets(batch: Batch) -> ListTargets:
    return ListTargets(**{name: batch[name] for name in ListTargets._fields})
