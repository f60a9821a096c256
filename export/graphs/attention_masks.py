"""Attention masks in plain operators, for a model whose own way of making them cannot be traced into a graph."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from transformers import PretrainedConfig

Masks = Callable[[Tensor], dict[str, Tensor]]


def traceable_masks(config: PretrainedConfig) -> Masks | None:
    """How to make the masks of such a model from an attention mask [batch, length]; None where it makes its own.

    Gemma 3 with `use_bidirectional_attention`, as EmbeddingGemma has it: every token sees every other one in some
    layers, and those nearer than the window in the others.

    Returns:
        For each kind of layer a float32 [batch, 1, length, length]: 0 where a token is seen, else the least number.
    """
    if config.model_type != "gemma3_text" or not config.use_bidirectional_attention:
        return None
    window = int(config.sliding_window)

    def masks(attention_mask: Tensor) -> dict[str, Tensor]:
        length = attention_mask.shape[1]
        places = torch.arange(length, device=attention_mask.device)
        near = (places[:, None] - places[None, :]).abs() < window
        seen = attention_mask[:, None, None, :].bool()
        every = seen & torch.ones_like(near)[None, None]
        return {"full_attention": _additive(every), "sliding_attention": _additive(every & near[None, None])}

    return masks


def _additive(seen: Tensor) -> Tensor:
    least = torch.finfo(torch.float32).min
    return torch.where(seen, torch.zeros((), dtype=torch.float32), torch.full((), least, dtype=torch.float32))
