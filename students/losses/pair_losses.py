"""What a recipe picks for pairs of unit vectors: losses of cosines, of angles, and of in-batch negatives."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import torch
from torch import Tensor

from decant.errors import InputError
from students.losses.loss_weights import PairLoss
from students.losses.ranking_losses import angle, info_nce
from students.losses.score_losses import COSENT_SCALE, cosent, margin_mse, score_kl, score_mse

PairLossFunction = Callable[[Tensor, Tensor, Tensor], Tensor]
POSITIVE = 0.8


def in_batch(first: Tensor, second: Tensor, targets: Tensor) -> Tensor:
    """`info_nce` both ways between the texts of the pairs whose target is 0.8 or more; 0 where there is none.

    The second texts of all other pairs are hard negatives of every query, since none of them is its own.

    Args:
        first: unit vectors, float [batch, dim].
        second: unit vectors, float [batch, dim].
        targets: float [batch], in 0..1.
    """
    positive = targets >= POSITIVE
    if not positive.any():
        return (first.sum() + second.sum()) * 0.0
    queries, answers, others = first[positive], second[positive], second[~positive]
    return info_nce(queries, answers, others.expand(len(queries), *others.shape), symmetric=True)


def _of_cosines(loss: Callable[[Tensor, Tensor], Tensor]) -> PairLossFunction:
    return lambda first, second, targets: loss((first * second).sum(dim=1), targets)


PAIR_LOSSES: dict[PairLoss, PairLossFunction] = {
    "cosent": _of_cosines(cosent),
    "score_mse": _of_cosines(score_mse),
    "margin_mse": _of_cosines(margin_mse),
    "kl": _of_cosines(score_kl),
    "angle": angle,
    "info_nce": in_batch,
}


def check_losses(weights: Mapping[PairLoss, float], dims: Sequence[int]) -> None:
    """Refuse losses that vectors of these lengths do not have.

    Raises:
        InputError: the angle loss with an odd length.
    """
    odd = [dim for dim in dims if dim % 2]
    if "angle" in weights and odd:
        raise InputError(
            f"loss: angle splits a vector in two halves, but a length of {odd[0]} is odd; "
            "make it even, or take another loss"
        )


def pair_loss(
    first: Tensor, second: Tensor, targets: Tensor, weights: Mapping[PairLoss, float], scale: float = COSENT_SCALE
) -> Tensor:
    """Weighted sum of the named losses.

    AnglE (Li & Li 2023) is {cosent: 1, info_nce: 1, angle: 1}.

    Args:
        first: unit vectors, float [batch, dim].
        second: unit vectors, float [batch, dim].
        targets: float [batch], in 0..1.
        scale: of `cosent`.
    """
    losses = {**PAIR_LOSSES, "cosent": _of_cosines(partial(cosent, scale=scale))}
    parts = [weight * losses[name](first, second, targets) for name, weight in weights.items()]
    return torch.stack(parts).sum()
