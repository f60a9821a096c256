"""Losses that rank texts against each other, on unit sentence vectors float [batch, dim]."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from students.losses.score_losses import pairwise_ranking

ANGLE_SCALE = 20.0
INFO_NCE_TEMPERATURE = 0.05


def angle(first: Tensor, second: Tensor, targets: Tensor, scale: float = ANGLE_SCALE) -> Tensor:
    """AnglE's loss: pairs are ranked by |Σ(Re + Im)| of first/second, each vector read as dim/2 complex numbers.

    Li & Li 2023, the angle objective, as its code computes it: the first half of a vector is the real part and the
    second the imaginary one; the quotient z·conj(w)/|w|² is divided by |z|/|w|, so that only angles count. The real
    parts add up to the cosine; the imaginary ones keep a gradient where the cosine is flat.

    Args:
        first: float [batch, dim], dim even.
        second: float [batch, dim].
        targets: float [batch]; only their order counts.

    Raises:
        ValueError: dim is odd.
    """
    dim = first.shape[1]
    if dim % 2:
        raise ValueError(f"the angle loss splits a vector in two halves, so dim must be even; it is {dim}")
    a, b = functional.normalize(first, dim=1).chunk(2, dim=1)
    c, d = functional.normalize(second, dim=1).chunk(2, dim=1)
    angles = (a * c + b * d + b * c - a * d).sum(dim=1).abs()
    return pairwise_ranking(angles, targets, scale)


def info_nce(
    queries: Tensor,
    positives: Tensor,
    negatives: Tensor | None = None,
    *,
    temperature: float = INFO_NCE_TEMPERATURE,
    symmetric: bool = False,
    same: Tensor | None = None,
    focal_gamma: float = 0.0,
) -> Tensor:
    """Mean over the queries of −(1−p)^γ·log p, p the softmax share that a query's own positive gets.

    A query's candidates are all positives of the batch and its own hard negatives, not those of other queries.
    van den Oord et al. 2018, equation 4; (1−p)^γ is the focal weight of KaLM-Embedding-V2 (2025), there with γ 0.5.
    No gradient goes through the weight: with γ below 1 it would be infinite at p = 1.

    Args:
        queries: unit vectors, float [batch, dim].
        positives: unit vectors, float [batch, dim]; row i answers query i.
        negatives: unit vectors, float [batch, k, dim]; row i belongs to query i.
        temperature: divides the cosines, above 0.
        symmetric: take the mean with the loss of every positive against all queries, hard negatives left out.
        same: bool [batch, batch]; True at [i, j] where positive j is no negative of query i, such as a duplicate.
            The diagonal does not count.
        focal_gamma: γ, 0 or more; 0 is plain InfoNCE.
    """
    rows = torch.arange(len(queries), device=queries.device)
    cosines = queries @ positives.T
    if same is not None:
        left_out = same & (rows[:, None] != rows[None, :])
        cosines = cosines.masked_fill(left_out, -torch.inf)
    logits = cosines if negatives is None else torch.cat([cosines, torch.einsum("bd,bkd->bk", queries, negatives)], 1)
    loss = _own_share(logits / temperature, focal_gamma)
    return (loss + _own_share(cosines.T / temperature, focal_gamma)) / 2 if symmetric else loss


def _own_share(logits: Tensor, focal_gamma: float) -> Tensor:
    """−(1−p)^γ·log p of the entries [i, i] of logits [batch, candidates], averaged over rows."""
    log_shares = torch.log_softmax(logits, dim=1).diagonal()
    weights = (-torch.expm1(log_shares.detach())).pow(focal_gamma)
    return -(weights * log_shares).mean()
