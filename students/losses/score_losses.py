"""Losses on a batch of pair scores.

Shapes: `cosines` and `targets` are float [batch]; DSE's `outputs` and `teacher_logits` are float [batch, outputs].
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from teachers.cross_encoders.fine_tune import TaskKind, task_loss

COSENT_SCALE = 20.0
KL_TEMPERATURE = 0.05


def dse(outputs: Tensor, teacher_logits: Tensor, labels: Tensor, kind: TaskKind, alpha: float) -> Tensor:
    """(1−α)·L_task + α·mean over the batch of Σ_c (y_c − t_c)², as DSE trains its comparator.

    Barkan et al. 2020, equation 3 and its code: raw logits, no temperature.

    Args:
        labels: float [batch]; NaN where a pair has none, which leaves it out of L_task.
        alpha: weight of the teacher, 0..1.
    """
    to_teacher = (outputs - teacher_logits).square().sum(dim=1).mean()
    labelled = ~torch.isnan(labels)
    if alpha == 1 or not labelled.any():
        return alpha * to_teacher
    return (1 - alpha) * task_loss(outputs[labelled], labels[labelled], kind) + alpha * to_teacher


def pairwise_ranking(scores: Tensor, targets: Tensor, scale: float) -> Tensor:
    """log(1 + Σ exp(scale·(score_j − score_i))) over all i, j of the batch whose target_i is above target_j.

    Su Jianlin 2022, "CoSENT"; `cosent` ranks cosines by it, `students.losses.ranking_losses.angle` angles.

    Args:
        scores: float [batch].
    """
    above = targets[:, None] > targets[None, :]
    differences = scale * (scores[None, :] - scores[:, None])[above]
    return torch.logsumexp(torch.cat([differences, differences.new_zeros(1)]), dim=0)


def cosent(cosines: Tensor, targets: Tensor, scale: float = COSENT_SCALE) -> Tensor:
    """`pairwise_ranking` of the cosines; scale 20 as in AnglE (Li & Li 2023)."""
    return pairwise_ranking(cosines, targets, scale)


def score_mse(cosines: Tensor, targets: Tensor) -> Tensor:
    """Mean of (cosine − target)²: the score itself is learned."""
    return functional.mse_loss(cosines, targets)


def margin_mse(cosines: Tensor, targets: Tensor) -> Tensor:
    """Mean over all i, j of ((cos_i − cos_j) − (target_i − target_j))²: differences are learned, an offset is free.

    After Hofstätter et al. 2020, equation 4, with every pair of the batch as the other one.
    """
    differences = cosines - targets
    return (differences[:, None] - differences[None, :]).square().mean()


def score_kl(cosines: Tensor, targets: Tensor, temperature: float = KL_TEMPERATURE) -> Tensor:
    """KL(softmax(targets/T) ‖ softmax(cosines/T)) over the pairs of the batch."""
    return softmax_kl(cosines[None], targets[None], temperature)


def softmax_kl(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """Mean over rows of KL(softmax(teacher/T) ‖ softmax(student/T)), both float [rows, values]; T above 0."""
    learns, taught = (torch.log_softmax(one / temperature, dim=1) for one in (student, teacher))
    return functional.kl_div(learns, taught, log_target=True, reduction="batchmean")


def mixed_targets(labels: Tensor, teacher_scores: Tensor, alpha: float) -> Tensor:
    """(1−α)·label + α·teacher's score, [batch]; the teacher's score alone where the label is NaN.

    Args:
        labels: float [batch] in 0..1.
        teacher_scores: float [batch], on the labels' scale.
        alpha: weight of the teacher, 0..1.
    """
    return torch.where(torch.isnan(labels), teacher_scores, (1 - alpha) * labels.nan_to_num() + alpha * teacher_scores)
