"""Losses to a teacher's sentence vectors.

Shapes: `student` is float [batch, dim] and `teacher` float [batch, teacher_dim]. The losses on similarity matrices
take unit vectors and any two widths; those on the vectors themselves need dim = teacher_dim.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from students.losses.loss_weights import SIMILARITY_TEMPERATURE, VectorWeights
from students.losses.score_losses import softmax_kl


def vector_loss(
    student: Tensor, teacher: Tensor, weights: VectorWeights, same_space: Tensor | None, wanted: Tensor | None = None
) -> Tensor:
    """Weighted sum of `similarity_kl`, `similarity_mse` and, where there are vectors to compare, `cosine_distance`.

    Args:
        wanted: `cosines_to_others` of the teacher, where it is known already: it is the same at every exit.
        same_space: the student's vectors in the teacher's space, float [batch, teacher_dim], or None for those that
            cannot be put there, such as shorter ones.
    """
    own = cosines_to_others(student)
    wanted = cosines_to_others(teacher) if wanted is None else wanted
    loss = weights.similarity_kl * softmax_kl(own, wanted, weights.temperature)
    loss = loss + weights.similarity_mse * _mean_square(own - wanted)
    return loss if same_space is None else loss + weights.cosine * cosine_distance(same_space, teacher)


def cosine_distance(student: Tensor, teacher: Tensor) -> Tensor:
    """Mean over the batch of 1 − cosine; lengths do not count.

    Raises:
        ValueError: the widths differ.
    """
    _check_widths(student, teacher)
    return (1 - functional.cosine_similarity(student, teacher, dim=1)).mean()


def vector_mse(student: Tensor, teacher: Tensor) -> Tensor:
    """Mean over batch and dimensions of (student − teacher)².

    Raises:
        ValueError: the widths differ.
    """
    _check_widths(student, teacher)
    return functional.mse_loss(student, teacher)


def similarity_kl(student: Tensor, teacher: Tensor, temperature: float = SIMILARITY_TEMPERATURE) -> Tensor:
    """Mean over the texts of KL(softmax(teacher's cosines/T) ‖ softmax(student's)), over the other texts of the batch.

    A text's cosine to itself is left out: at T = 0.05 it would take nearly the whole softmax. A batch of one gives 0.
    """
    return softmax_kl(cosines_to_others(student), cosines_to_others(teacher), temperature)


def similarity_mse(student: Tensor, teacher: Tensor) -> Tensor:
    """Mean of (student's cosine − teacher's)² over all ordered pairs of different texts; a batch of one gives 0."""
    return _mean_square(cosines_to_others(student) - cosines_to_others(teacher))


def cosines_to_others(vectors: Tensor) -> Tensor:
    """Similarity matrix of unit vectors [batch, dim] without its diagonal, [batch, batch − 1]."""
    batch = len(vectors)
    cosines = vectors @ vectors.T
    # behind the first number, every row of batch + 1 ends with one of the diagonal
    return cosines.flatten()[1:].view(batch - 1, batch + 1)[:, :-1].reshape(batch, batch - 1)


def _mean_square(differences: Tensor) -> Tensor:
    return differences.square().sum() / max(1, differences.numel())


def _check_widths(student: Tensor, teacher: Tensor) -> None:
    if student.shape[1] != teacher.shape[1]:
        raise ValueError(
            f"the student's vectors have {student.shape[1]} dimensions and the teacher's {teacher.shape[1]}; project "
            "one to the other, or take a loss on similarity matrices"
        )
