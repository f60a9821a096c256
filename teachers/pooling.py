"""From token states to one vector a text: pure functions.

`concat_top_mean` is DSE's embedding: the last four layers' states side by side, averaged over the tokens
without [CLS] and with [SEP] (Barkan et al. 2020, "Scalable Attentive Sentence-Pair Modeling via Distilled
Sentence Embedding", section 3, and its code).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from teachers.pooling_kind import PoolingKind as PoolingKind

TOP_LAYERS = 4


def token_states(hidden_states: Sequence[Tensor], kind: PoolingKind) -> Tensor:
    """The states that are pooled.

    Args:
        hidden_states: embedding output and every layer's output, each [batch, length, hidden].

    Returns:
        [batch, length, hidden], or [batch, length, 4·hidden] for `concat_top_mean`.
    """
    if kind == "concat_top_mean":
        return torch.cat(tuple(hidden_states[-TOP_LAYERS:]), dim=-1)
    return hidden_states[-1]


def pool(states: Tensor, attention_mask: Tensor, kind: PoolingKind) -> Tensor:
    """One vector a text.

    Args:
        states: [batch, length, width].
        attention_mask: [batch, length], 1 for a token and 0 for padding; the first token is [CLS].

    Returns:
        [batch, width], not normalised. For `concat_top_mean` a text must have at least [CLS] and one token more.
    """
    if kind == "cls":
        return states[:, 0]
    weights = attention_mask.to(states.dtype)
    if kind == "concat_top_mean":
        states, weights = states[:, 1:], weights[:, 1:]
    summed = torch.einsum("btd,bt->bd", states, weights)
    return summed / weights.sum(dim=1, keepdim=True).clamp(min=1e-9)


def pooled_width(hidden_size: int, kind: PoolingKind) -> int:
    """Width of the pooled vector for a backbone of this hidden size."""
    return hidden_size * TOP_LAYERS if kind == "concat_top_mean" else hidden_size
