"""The LightningModule of quantization-aware fine-tuning: wiring only."""

from __future__ import annotations

from typing import Any

from lightning.pytorch import LightningModule
from torch import Tensor

from decant.models.encoder import SentenceEncoder
from decant.training.batch_stream import Batch
from decant.training.optimizer import FitSettings, adamw
from students.losses.loss_weights import VectorWeights
from students.losses.vector_losses import vector_loss


class RoundedEncoder(LightningModule):
    """An encoder that rounds follows its own vectors of before."""

    def __init__(self, encoder: SentenceEncoder, settings: FitSettings, batches: int) -> None:
        super().__init__()
        self.encoder, self.settings, self.batches = encoder, settings, batches

    def training_step(self, batch: Batch, index: int) -> Tensor:
        vectors = self.encoder(batch["input_ids"], batch["attention_mask"])[1]
        loss = vector_loss(vectors, batch["teacher"], VectorWeights(), vectors)
        self.log("loss", loss)
        return loss

    def configure_optimizers(self) -> Any:
        return adamw(self, self.settings, self.batches)
