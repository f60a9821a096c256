"""The LightningModule of distilling vectors: wiring only; the losses are in `students.losses`."""

from __future__ import annotations

from typing import Any

import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn

from decant.models.encoder import SentenceEncoder
from decant.training.batch_stream import Batch
from decant.training.gather_rows import ROWS, gather_rows, mean_over_ranks, own_rows
from decant.training.optimizer import adamw
from students.distill.distill_settings import DistillVectorsSettings
from students.distill.token_states import StateLoss
from students.losses.vector_losses import cosines_to_others, vector_loss
from students.nesting.exits import pool_exits
from students.nesting.nested import StepExits
from students.nesting.nesting import Nesting, Step


class VectorDistillation(LightningModule):
    """One forward, then the losses of its vectors at every exit of the step, and of its token states if asked for."""

    def __init__(
        self, encoder: SentenceEncoder, teacher_dim: int, live: SentenceEncoder | None,
        settings: DistillVectorsSettings,
        nesting: Nesting, dims: tuple[int, ...], seed: int, batches: int,
    ) -> None:  # fmt: skip
        super().__init__()
        self.encoder, self.settings, self.batches = encoder, settings, batches
        self.exits = StepExits(encoder, nesting, dims, seed)
        torch.manual_seed(seed)
        same = teacher_dim == encoder.width
        self.head = nn.ModuleList(
            nn.Identity() if same else nn.Linear(encoder.width, teacher_dim) for _ in encoder.depths
        )
        if encoder.static is not None and not same:  # whose numbers are the teacher's first ones, as it was turned
            self.head[0].load_state_dict(
                {"weight": torch.eye(teacher_dim, encoder.width), "bias": torch.zeros(teacher_dim)}
            )
        self.states: StateLoss | None = None
        if settings.states is not None and live is not None:
            self.states = StateLoss(settings.states, encoder, live)

    def training_step(self, batch: Batch, index: int) -> Tensor:
        step = self.exits.plan(self.trainer.current_epoch * self.batches + index)
        input_ids, mask, rows = batch["input_ids"], batch["attention_mask"], batch.get(ROWS)
        if self.states is None:
            states, exits = [], self.exits.forward(step, input_ids, mask)
        else:
            states = self.exits.states(step, input_ids, mask)
            exits = pool_exits(states, mask, self.encoder)
        exits = [gather_rows(one, rows) for one in exits]
        teacher = gather_rows(batch["teacher"], rows)

        with torch.autocast(teacher.device.type, enabled=False):
            wanted = cosines_to_others(teacher)

        def base(vectors: Tensor, layer: int, dim: int) -> Tensor:
            whole = dim == self.encoder.width
            projected = self.head[layer - 1](vectors) if whole else None
            return vector_loss(vectors, teacher, self.settings.weights, projected, wanted)

        with torch.autocast(teacher.device.type, enabled=False):
            loss = self.exits.loss(exits, step, base)
        if self.states is not None:
            loss = loss + self._of_states(self.states, step, states, input_ids, mask, rows)
        self.log("loss", loss)
        return loss

    def _of_states(
        self, states_loss: StateLoss, step: Step, states: list[Tensor], input_ids: Tensor, mask: Tensor,
        rows: Tensor | None,
    ) -> Tensor:  # fmt: skip
        """The loss of the token states, a mean over the tokens of the batch: states are too big to be gathered."""
        if rows is None:
            return states_loss(step, states, input_ids, mask)
        own = own_rows(rows)
        part = states[0].new_zeros(())
        if own:
            part = states_loss(step, [one[:own] for one in states], input_ids[:own], mask[:own])
        return mean_over_ranks(part, mask[:own].sum())

    def configure_optimizers(self) -> Any:
        return adamw(self, self.settings, self.batches)
