"""Quantization-aware fine-tuning: an encoder learns to give its own vectors again although its weights are rounded.

The forward rounds weights, lookups and activations as the exported graph does; the gradient passes as if it did not
(the straight-through estimator: Bengio et al. 2013, arXiv:1308.3432; for int8 networks Jacob et al. 2018,
arXiv:1712.05877). What is kept are the float32 weights, which the export then rounds.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils import parametrize

from decant.batches import padded
from decant.errors import InputError
from decant.models.backbone import layer_list
from decant.models.encoder import SentenceEncoder
from decant.training.batch_stream import Batch, BatchStream
from decant.training.optimizer import FitSettings
from decant.training.training import Training
from students.distill.distill_settings import QuantizeAwareSettings

HELD_BACK = 256  # texts that tell whether the training helped
NARROWEST_TABLE = 32  # columns; a narrower one holds a bias a head, which graphs leave alone
SMALLEST_SCALE = 1e-30
Array = NDArray[np.float32]


class Rounding(NamedTuple):
    """How a graph rounds.

    Args:
        bits: of a weight.
        block: inputs of a column that share a scale; None: all, with codes of -largest..largest.
        table_bits: of a looked-up entry; None: it stays in float32.
        table_block: entries of a row that share a scale; None: all.
        activations: whether what a product reads is rounded to 8 bits, one scale a token row.
        largest: see `block`.
    """

    bits: Literal[4, 8]
    block: int | None
    table_bits: Literal[4, 8] | None
    table_block: int | None
    activations: bool
    largest: int = 127


def fine_tune_rounded(
    encoder: SentenceEncoder,
    texts: Sequence[str],
    vectors: Array,
    rounding: Rounding,
    training: Training[QuantizeAwareSettings],
    *,
    label: str = "quantization-aware",
) -> tuple[SentenceEncoder, float, float]:
    """A copy of the encoder with weights that bear the rounding better, and what that is worth.

    It takes a few steps, and always one process: layers that round while they train are not handed to another.

    Args:
        encoder: with mean or cls pooling; not changed.
        texts: to learn from; the last few, at most 256, are held back.
        vectors: the encoder's own, of the texts, float32 [texts, dim].

    Returns:
        The encoder, or the given one where the training did not help; and the mean cosine of the rounded encoder's
        vectors of the held-back texts to `vectors`, before and after.

    Raises:
        InputError: fewer texts than two batches.
    """
    from decant.training.fit import fit
    from students.distill.quantize_aware_module import RoundedEncoder  # Lightning takes seconds to load

    settings = training.settings
    held = min(HELD_BACK, len(texts) // 10)
    count = len(texts) - held
    if count < 2 * settings.batch_size:
        raise InputError(
            f"quantize_aware: {len(texts)} texts are fewer than two batches of {settings.batch_size} and what is held "
            "back; give more texts, or lower quantize_aware.batch_size"
        )
    tuned = _trainable(encoder)
    ids, pad_id = tuned.tokenize(texts[:count]), int(tuned.tokenizer.pad_token_id)

    def collate(rows: NDArray[np.int64]) -> Batch:
        input_ids, mask = padded([ids[row] for row in rows], pad_id)
        return {"input_ids": input_ids, "attention_mask": mask, "teacher": torch.from_numpy(vectors[rows])}

    def dev() -> float:
        return float((tuned.encode(texts[count:]) * vectors[count:]).sum(axis=1).mean())

    stream = BatchStream([len(row) for row in ids], collate, settings.batch_size, training.seed)
    epochs = -(-settings.steps // len(stream))
    how = FitSettings(
        epochs=epochs, learning_rate=settings.learning_rate, batch_size=settings.batch_size, precision="32-true",
        patience=epochs,
    )  # fmt: skip
    with rounded(tuned, rounding):
        before = dev()
        module = RoundedEncoder(tuned, how, len(stream))
        fit(module, stream, dev, training.by(how), label=label, given=texts[:count])
        tuned.eval()
        after = dev()
    return (tuned, before, after) if after > before else (encoder, before, before)


@contextmanager
def rounded(encoder: SentenceEncoder, rounding: Rounding) -> Iterator[None]:
    """Let an encoder's linear layers and lookups round, in place; afterwards it has its float32 weights again."""
    layers = layer_list(encoder.backbone)[1]
    linears = [module for module in layers.modules() if isinstance(module, nn.Linear)]
    hooks = []
    for linear in linears:
        parametrize.register_parametrization(
            linear, "weight", _Rounded(rounding.bits, rounding.block, rounding.largest)
        )
        if rounding.activations:
            hooks.append(linear.register_forward_pre_hook(_round_input))
    if rounding.table_bits is not None:
        entry = _Rounded(rounding.table_bits, rounding.table_block)

        def lookup(module: nn.Module, inputs: Any, output: Tensor) -> Tensor:
            return torch.as_tensor(entry(output))

        tables = [
            one for one in encoder.backbone.modules() if isinstance(one, nn.Embedding) and one.embedding_dim >= 32
        ]
        hooks += [table.register_forward_hook(lookup) for table in tables]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
        for linear in linears:
            parametrize.remove_parametrizations(linear, "weight", leave_parametrized=False)


class _Rounded(nn.Module):
    """Rounds the last dimension of a tensor; the gradient passes."""

    def __init__(self, bits: int, block: int | None, largest: int = 127) -> None:
        super().__init__()
        self.bits, self.block, self.largest = bits, block, largest

    def forward(self, weight: Tensor) -> Tensor:
        return weight + (self._nearest(weight.detach()) - weight.detach())

    def _nearest(self, weight: Tensor) -> Tensor:
        if self.block is None:
            scale = _not_0(weight.abs().amax(dim=-1, keepdim=True) / self.largest)
            return (weight / scale).round().clamp(-self.largest, self.largest) * scale
        width, half = weight.shape[-1], 2 ** (self.bits - 1)
        blocks = nn.functional.pad(weight, (0, -width % self.block)).unflatten(-1, (-1, self.block))
        largest = blocks.gather(-1, blocks.abs().argmax(dim=-1, keepdim=True))
        scale = _not_0(-largest / half)
        return ((blocks / scale).round().clamp(-half, half - 1) * scale).flatten(-2)[..., :width]


def _not_0(scale: Tensor) -> Tensor:
    return torch.where(scale.abs() > SMALLEST_SCALE, scale, torch.ones_like(scale))


def _round_input(module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return (torch.as_tensor(_Rounded(8, None)(inputs[0])), *inputs[1:])


def _trainable(encoder: SentenceEncoder) -> SentenceEncoder:
    """A copy without dropout, with the attention that trains fastest."""
    with tempfile.TemporaryDirectory() as folder:
        encoder.save(Path(folder))
        return SentenceEncoder.load(folder, encoder.max_length, encoder.pooling, dropout=0.0, for_training=True)
