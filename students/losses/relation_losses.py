"""Losses to a teacher's token states, for a student that reads the same tokens.

Shapes: states are float [batch, length, width]; `mask` is [batch, length], 1 for a token and 0 for padding.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def hidden_mse(student_states: Tensor, teacher_states: Tensor, mask: Tensor) -> Tensor:
    """Mean over the real tokens of the batch and over width of (student − teacher)².

    TinyBERT's hidden-state loss (Jiao et al. 2020, equation 8); project the student first where widths differ.

    Raises:
        ValueError: the widths differ.
    """
    widths = student_states.shape[2], teacher_states.shape[2]
    if widths[0] != widths[1]:
        raise ValueError(
            f"the student's states are {widths[0]} wide and the teacher's {widths[1]}; project one to the other, or "
            "take relation_kl"
        )
    real = mask.bool()
    return functional.mse_loss(student_states[real], teacher_states[real])


def relation_kl(student: Tensor, teacher: Tensor, mask: Tensor, heads: int) -> Tensor:
    """KL(teacher's relations ‖ student's), averaged over relation heads and the real query tokens of the batch.

    MiniLMv2 (Wang et al. 2021, section 3.1): states are split anew into `heads` relation heads of width d_r, and
    A·Aᵀ/√d_r goes through a softmax over the real keys. A is a layer's queries, keys, values, or hidden states.

    Args:
        student: float [batch, length, width].
        teacher: float [batch, length, its own width].
        heads: relation heads; they need not be the attention heads of either.

    Raises:
        ValueError: a width is no multiple of `heads`.
    """
    divergences = functional.kl_div(
        _log_relations(student, mask, heads), _log_relations(teacher, mask, heads), log_target=True, reduction="none"
    ).sum(dim=3)
    return divergences.mean(dim=1)[mask.bool()].mean()


def _log_relations(states: Tensor, mask: Tensor, heads: int) -> Tensor:
    """Log of the relations, [batch, heads, queries, keys]."""
    batch, length, width = states.shape
    if width % heads:
        raise ValueError(f"states of width {width} do not split into {heads} relation heads; heads must divide it")
    split = states.reshape(batch, length, heads, width // heads).transpose(1, 2)
    scores = split @ split.mT / (width // heads) ** 0.5
    # not −∞: the difference of two logarithms has to stay a number where both relations are 0
    padding = (mask == 0)[:, None, None, :]
    return torch.log_softmax(scores.masked_fill(padding, torch.finfo(scores.dtype).min), dim=3)
