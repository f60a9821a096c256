"""The LightningModule of a re-ranker that learns its teacher's scores: wiring only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from lightning.pytorch import LightningModule
from torch import Tensor

from decant.training.batch_stream import Batch
from decant.training.optimizer import adamw
from students.distill.distill_reranker import score_loss
from students.distill.distill_settings import PseudoSettings
from teachers.cross_encoders.cross_encoder import CrossEncoder


class ScoreLearning(LightningModule):
    """Student and teacher on the same pairs, then the losses of scores and of states at the ends of the groups."""

    def __init__(
        self, student: CrossEncoder, teacher: CrossEncoder, ends: Sequence[int], settings: PseudoSettings, batches: int
    ) -> None:
        super().__init__()
        self.student, self.ends, self.settings, self.batches = student, tuple(ends), settings, batches
        self.taught_by = (teacher.eval().requires_grad_(False),)  # in a tuple: neither trained nor stored

    def training_step(self, batch: Batch, index: int) -> Tensor:
        teacher = self.taught_by[0].to(batch["input_ids"].device)
        with torch.no_grad():
            wanted, wanted_states = self._outputs(teacher, batch)
        found, states = self._outputs(self.student, batch)
        with torch.autocast(found.device.type, enabled=False):
            loss = score_loss(found, wanted, states, wanted_states, batch["attention_mask"], self.settings.weights)
        self.log("loss", loss)
        return loss

    def configure_optimizers(self) -> Any:
        return adamw(self, self.settings, self.batches)

    def _outputs(self, cross: CrossEncoder, batch: Batch) -> tuple[Tensor, list[Tensor]]:
        output = cross.model(**batch, output_hidden_states=True)
        return output.logits.float(), [output.hidden_states[number + 1].float() for number in self.ends]
