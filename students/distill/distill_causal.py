"""Training of causal language models on packed texts: on the true tokens, or on another model's outputs.

Both stages of EchoAtt for decoders: pseudo-labels of the model that shares no maps first, then true tokens.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from lightning.pytorch import LightningModule
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from decant.errors import InputError
from decant.training.batch_stream import Batch, BatchStream
from decant.training.fit import fit
from decant.training.optimizer import FitSettings, adamw
from decant.training.training import Training
from students.losses.causal_losses import next_token_loss, pseudo_label_loss
from students.losses.loss_weights import PseudoWeights

Loss = Callable[[PreTrainedModel, Tensor], Tensor]


class CausalSettings(FitSettings, frozen=True, extra="forbid"):
    """Optimisation of a causal language model; a row is a block of tokens, no pair."""

    epochs: int = Field(1, ge=0, le=1000, description="passes over the blocks; 0 trains nothing")
    learning_rate: float = Field(1.0e-3, gt=0, lt=1, description="peak of AdamW's learning rate")
    batch_size: int = Field(16, ge=2, le=4096, description="blocks a batch")


def pack_blocks(texts: Sequence[str], tokenizer: PreTrainedTokenizerFast, length: int) -> NDArray[np.int64]:
    """Texts, each ended by the tokenizer's end token, laid end to end and cut into blocks without padding.

    Args:
        length: tokens a block, at least 2; what is left at the end is in none.

    Returns:
        Token ids int64 [blocks, length].

    Raises:
        InputError: all texts together do not fill one block.
    """
    end = tokenizer.eos_token_id
    encoded = tokenizer(list(texts), add_special_tokens=False)["input_ids"] if texts else []
    ids = np.array([one for text in encoded for one in (*text, end)], np.int64)
    blocks = len(ids) // length
    if not blocks:
        raise InputError(f"the texts have {len(ids)} tokens together; a block takes {length}: give more, or shorten it")
    return ids[: blocks * length].reshape(blocks, length)


class TokenLoss:
    """Cross-entropy to the true next token."""

    def __call__(self, model: PreTrainedModel, ids: Tensor) -> Tensor:
        """Of a batch of blocks, int64 [batch, length]."""
        logits = model(input_ids=ids, use_cache=False).logits
        with torch.autocast(ids.device.type, enabled=False):
            return next_token_loss(logits.float(), ids)


class PseudoLabels:
    """What a student is off the outputs and the states of the model that it was made from.

    Not a module: what holds it neither trains the teacher nor stores it with every checkpoint.

    Args:
        teacher: its weights are left as they are.
        layers: 0-based numbers of those whose states are aligned, such as the last of each group.
    """

    def __init__(self, teacher: PreTrainedModel, layers: Sequence[int], weights: PseudoWeights) -> None:
        self.teacher, self.layers, self.weights = teacher.eval().requires_grad_(False), tuple(layers), weights

    def __call__(self, model: PreTrainedModel, ids: Tensor) -> Tensor:
        """Of a batch of blocks, int64 [batch, length]."""
        with torch.no_grad():
            wanted, wanted_states = self._outputs(self.teacher.to(ids.device), ids)
        found, states = self._outputs(model, ids)
        with torch.autocast(ids.device.type, enabled=False):
            return pseudo_label_loss(found, wanted, states, wanted_states, self.weights)

    def _outputs(self, model: PreTrainedModel, ids: Tensor) -> tuple[Tensor, list[Tensor]]:
        output = model(input_ids=ids, use_cache=False, output_hidden_states=True)
        return output.logits.float(), [output.hidden_states[number + 1].float() for number in self.layers]


class CausalTraining(LightningModule):
    """One forward of the model, then the loss.

    Args:
        batches: batches an epoch.
    """

    def __init__(self, model: PreTrainedModel, loss: Loss, settings: FitSettings, batches: int) -> None:
        super().__init__()
        self.model, self.loss, self.settings, self.batches = model, loss, settings, batches

    def training_step(self, batch: Batch, index: int) -> Tensor:
        loss = self.loss(self.model, batch["ids"])
        self.log("loss", loss)
        return loss

    def configure_optimizers(self) -> Any:
        return adamw(self, self.settings, self.batches)


def train_causal(
    model: PreTrainedModel,
    loss: Loss,
    blocks: NDArray[np.int64],
    dev: NDArray[np.int64],
    training: Training[CausalSettings],
    *,
    label: str,
) -> None:
    """Train `model` in place and leave the weights of the epoch that was best on dev in it; always in one process.

    Args:
        blocks: int64 [blocks, length].
        dev: the same, held out; the metric is 1 / perplexity, the mean probability given to a true token, 0..1.
        label: as `decant.training.fit.fit` has it.

    Raises:
        InputError: fewer blocks than two, or a loss that is not a number.
    """
    settings = training.settings

    def collate(rows: NDArray[np.int64]) -> Batch:
        return {"ids": torch.from_numpy(blocks[rows])}

    def metric() -> float:
        return 1 / perplexity(model, dev, settings.batch_size)

    stream = BatchStream([blocks.shape[1]] * len(blocks), collate, settings.batch_size, training.seed)
    module = CausalTraining(model, loss, settings, len(stream))
    fit(module, stream, metric, training, label=label)
    model.eval()


@torch.inference_mode()
def perplexity(model: PreTrainedModel, blocks: NDArray[np.int64], batch_size: int) -> float:
    """Exp of the mean of −log p(token | those before it in its block), over all tokens but each block's first.

    In the weights' own precision and without dropout.

    Args:
        blocks: int64 [blocks, length].
    """
    was_training = model.training
    model.eval()
    total = 0.0
    for start in range(0, len(blocks), batch_size):
        ids = torch.from_numpy(blocks[start : start + batch_size]).to(model.device)
        logits = model(input_ids=ids, use_cache=False).logits.float()
        total += len(ids) * float(next_token_loss(logits, ids))
    model.train(was_training)
    return math.exp(total / len(blocks))
