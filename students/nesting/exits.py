"""Every depth of an encoder from one forward: an exit is what the encoder cut after that layer would give."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from decant.batches import padded, sorted_batches
from decant.errors import InputError
from decant.models.backbone import layer_list
from decant.models.encoder import SentenceEncoder
from decant.models.families import final_norm
from decant.models.pooling_kind import CONCAT_TOP_MEAN

Vectors = NDArray[np.float32]


def exit_vectors(encoder: SentenceEncoder, input_ids: Tensor, attention_mask: Tensor) -> list[Tensor]:
    """Vectors after layer 1, 2, …, each float32 [batch, width], not normalised; of a static encoder its only one.

    Args:
        encoder: of any pooling but concat_top_mean.
        input_ids: int64 [batch, length].
        attention_mask: int64 [batch, length], 1 for a token.
    """
    if encoder.static is not None:
        return [encoder.static.sums(input_ids, attention_mask)]
    return pool_exits(exit_states(encoder, input_ids, attention_mask), attention_mask, encoder)


def pool_exits(states: Sequence[Tensor], attention_mask: Tensor, encoder: SentenceEncoder) -> list[Tensor]:
    """The vector of each exit, float32 [batch, width], from its token states [batch, length, hidden]."""
    return [encoder.pooled(state, attention_mask).float() for state in states]


def exit_states(encoder: SentenceEncoder, input_ids: Tensor, attention_mask: Tensor) -> list[Tensor]:
    """Token states after layer 1, 2, …, each [batch, length, hidden], as the encoder cut there would give them.

    Args:
        input_ids: int64 [batch, length].
        attention_mask: int64 [batch, length], 1 for a token.
    """
    # hooks of our own, since transformers' hidden_states depend on which of two encoders that share layers ran first
    backbone, own = encoder.backbone, encoder.exit_layers
    states: list[Tensor] = []

    def keep(layer: nn.Module, inputs: object, output: Any) -> None:
        states.append(output[0] if isinstance(output, tuple) else output)

    def leave(exit_layer: nn.Module, layer: nn.Module, inputs: tuple[Any, ...], options: dict[str, Any]) -> None:
        keep(layer, inputs, exit_layer(*inputs, **options))

    hooks = [
        layer.register_forward_pre_hook(partial(leave, own[str(depth)]), with_kwargs=True)
        if str(depth) in own
        else layer.register_forward_hook(keep)
        for depth, layer in enumerate(layer_list(backbone)[1], start=1)
    ]
    try:
        backbone(input_ids=input_ids, attention_mask=attention_mask)
    finally:
        for hook in hooks:
            hook.remove()
    norm: Any = final_norm(backbone)
    return states if norm is None else [norm(state) for state in states]


@torch.inference_mode()
def encode_exits(
    encoder: SentenceEncoder, texts: Sequence[str], batch_size: int = 32, progress: Callable[[int], None] | None = None
) -> Vectors:
    """Vectors of every depth in one pass, float32 [depths, texts, width], not normalised.

    Raises:
        InputError: the encoder's pooling reads several layers, so that its exits would not be its cuts.
    """
    check_pooling(encoder)
    vectors = np.zeros((len(encoder.depths), len(texts), encoder.width), np.float32)
    ids = encoder.tokenize(texts)
    was_training = encoder.training
    encoder.eval()
    device = next(encoder.parameters()).device
    for rows in sorted_batches([len(row) for row in ids], batch_size):
        input_ids, mask = padded([ids[row] for row in rows], int(encoder.tokenizer.pad_token_id))
        exits = exit_vectors(encoder, input_ids.to(device), mask.to(device))
        vectors[:, rows] = torch.stack(exits).cpu().numpy()
        if progress is not None:
            progress(len(rows))
    encoder.train(was_training)
    return vectors


def unit_slice(vectors: Vectors, dim: int) -> Vectors:
    """The first `dim` dimensions at unit length, float32 [texts, dim]."""
    sliced = vectors[:, :dim]
    return (sliced / np.maximum(np.linalg.norm(sliced, axis=1, keepdims=True), 1e-12)).astype(np.float32)


def check_pooling(encoder: SentenceEncoder) -> None:
    """Refuse pooling that reads several layers.

    Raises:
        InputError: concat_top_mean pooling.
    """
    if encoder.pooling == CONCAT_TOP_MEAN:
        raise InputError("pooling concat_top_mean reads several layers; a nested student needs mean or cls")
