"""Losses of causal language models, on true tokens and on another model's outputs.

Shapes: `logits`, `student` and `teacher` are float [batch, length, vocabulary]; `ids` are int64 [batch, length].
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from students.losses.loss_weights import PseudoWeights
from students.losses.score_losses import softmax_kl


def next_token_loss(logits: Tensor, ids: Tensor) -> Tensor:
    """Mean of −log p(token | those before it), in nats, over all tokens but the first of each row."""
    return functional.cross_entropy(logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten())


def pseudo_label_loss(
    student: Tensor,
    teacher: Tensor,
    student_states: Sequence[Tensor],
    teacher_states: Sequence[Tensor],
    weights: PseudoWeights,
) -> Tensor:
    """Weighted sum of `states_mse`, `soft_label_loss` and `hard_label_loss`: stage 1 of EchoAtt, without true labels.

    Args:
        student_states, teacher_states: after the last layer of each group, float [batch, length, hidden] each.
    """
    soft = weights.soft * soft_label_loss(student, teacher, weights.temperature)
    hard = weights.hard * hard_label_loss(student, teacher)
    return weights.states * states_mse(student_states, teacher_states) + soft + hard


def soft_label_loss(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """T²·`softmax_kl`, mean over all tokens; Hinton et al. 2015, section 2."""
    return temperature**2 * softmax_kl(student.flatten(0, 1), teacher.flatten(0, 1), temperature)


def hard_label_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """Cross-entropy of the student to the token that the teacher holds most likely, mean over all tokens."""
    return functional.cross_entropy(student.flatten(0, 1), teacher.flatten(0, 1).argmax(dim=-1))


def states_mse(student: Sequence[Tensor], teacher: Sequence[Tensor]) -> Tensor:
    """Mean over the pairs of their mean squared difference; all pairs are of one shape.

    Raises:
        ValueError: no pair, or as many of one as not of the other.
    """
    if not student or len(student) != len(teacher):
        raise ValueError(f"{len(student)} states of the student against {len(teacher)} of the teacher; give pairs")
    return torch.stack([functional.mse_loss(*pair) for pair in zip(student, teacher, strict=True)]).mean()
