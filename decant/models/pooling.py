"""From token states to one vector a text: pure functions.

The modes are those of sentence-transformers' Pooling module. `concat_top_mean` is DSE's embedding: the last four
layers' states side by side, averaged over the tokens without [CLS] and with [SEP] (Barkan et al. 2020, "Scalable
Attentive Sentence-Pair Modeling via Distilled Sentence Embedding", section 3, and its code).

Texts are padded at the right, whatever side their tokenizer pads: a text's own tokens then have the places that they
have when it stands alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from decant.models.pooling_kind import CONCAT_TOP_MEAN, pooling_modes
from decant.models.pooling_kind import PoolingKind as PoolingKind

TOP_LAYERS = 4
SMALLEST = 1e-9  # a text all of whose tokens are left out gets zeros


def token_states(hidden_states: Sequence[Tensor], kind: PoolingKind) -> Tensor:
    """The states that are pooled.

    Args:
        hidden_states: embedding output and every layer's output, each [batch, length, hidden].

    Returns:
        [batch, length, hidden], or [batch, length, 4·hidden] for `concat_top_mean`.
    """
    if kind == CONCAT_TOP_MEAN:
        return torch.cat(tuple(hidden_states[-TOP_LAYERS:]), dim=-1)
    return hidden_states[-1]


def pool(states: Tensor, attention_mask: Tensor, kind: PoolingKind, skipped: int = 0) -> Tensor:
    """One vector a text.

    Args:
        states: [batch, length, width].
        attention_mask: [batch, length], 1 for a token and 0 for padding, which stands at the right.
        skipped: how many tokens at the beginning of each text are left out, such as those of its prompt.

    Returns:
        [batch, pooled width], not normalised. For `concat_top_mean` a text must have at least [CLS] and one more token.
    """
    if kind == CONCAT_TOP_MEAN:
        return _mean(states[:, 1:], attention_mask[:, 1:])
    mask = attention_mask
    if skipped:
        mask = mask.clone()
        mask[:, :skipped] = 0
    pooled = [
        states[:, 0] if mode == "cls" and not skipped else POOLINGS[mode](states, mask) for mode in pooling_modes(kind)
    ]
    return pooled[0] if len(pooled) == 1 else torch.cat(pooled, dim=-1)


def pooled_width(hidden_size: int, kind: PoolingKind) -> int:
    """Width of the pooled vector for a backbone of this hidden size."""
    return hidden_size * (TOP_LAYERS if kind == CONCAT_TOP_MEAN else len(pooling_modes(kind)))


def _first(states: Tensor, mask: Tensor) -> Tensor:
    """The first token that is not left out; the very first where all are."""
    before = (mask.to(torch.int32).cumsum(dim=1) == 0).sum(dim=1)
    return _at(states, before * (mask.sum(dim=1) > 0))


def _last(states: Tensor, mask: Tensor) -> Tensor:
    """The last token; zeros where all are left out."""
    places = torch.arange(mask.shape[1], device=mask.device) * mask
    return _at(states * mask.unsqueeze(-1).to(states.dtype), places.amax(dim=1))


def _at(states: Tensor, places: Tensor) -> Tensor:
    index = places.to(torch.int64).view(-1, 1, 1).expand(-1, 1, states.shape[-1])
    return states.gather(1, index).squeeze(1)


def _mean(states: Tensor, mask: Tensor) -> Tensor:
    weights = mask.to(states.dtype)
    summed = torch.einsum("btd,bt->bd", states, weights)
    return summed / weights.sum(dim=1, keepdim=True).clamp(min=SMALLEST)


def _mean_sqrt_length(states: Tensor, mask: Tensor) -> Tensor:
    weights = mask.to(states.dtype)
    summed = torch.einsum("btd,bt->bd", states, weights)
    return summed / weights.sum(dim=1, keepdim=True).clamp(min=SMALLEST).sqrt()


def _weighted_mean(states: Tensor, mask: Tensor) -> Tensor:
    """Each token weighs its place, from 1, counted with those that are left out (SGPT, Muennighoff 2022, section 3)."""
    places = torch.arange(1, mask.shape[1] + 1, device=mask.device, dtype=states.dtype)
    return _mean(states, mask.to(states.dtype) * places)


def _largest(states: Tensor, mask: Tensor) -> Tensor:
    return states.masked_fill(mask.unsqueeze(-1) == 0, torch.finfo(states.dtype).min).amax(dim=1)


POOLINGS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "cls": _first,
    "max": _largest,
    "mean": _mean,
    "mean_sqrt_len_tokens": _mean_sqrt_length,
    "weightedmean": _weighted_mean,
    "lasttoken": _last,
}
