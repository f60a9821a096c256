"""Losses on lists of documents, one list a query.

Shapes: `cosines` and `teacher` are float [lists, size]; `present` is bool [lists, size], False where a list is shorter
than the longest, and what stands there counts for nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from students.losses.loss_weights import ListLoss, ListTemperatures


class ListTargets(NamedTuple):
    """What is known of a batch of lists."""

    place: Tensor
    """Which of the batch's documents stands there, int64 [lists, size]; any where none is."""
    teacher: Tensor
    """The teacher's scores on the scale of cosines, float [lists, size]; anything where no document is."""
    present: Tensor
    """Whether a document stands there, bool [lists, size]."""
    reference: Tensor
    """Column of the document that margins are taken to, int64 [lists]."""
    relevant: Tensor
    """Whether it was judged relevant, bool [lists, size]."""
    negative: Tensor
    """Which documents of the batch are negatives of the query, of its list or of others, bool [lists, documents]."""


def list_loss(
    queries: Tensor, documents: Tensor, targets: ListTargets, weights: Mapping[ListLoss, float],
    temperatures: ListTemperatures,
) -> Tensor:  # fmt: skip
    """Weighted sum of the named losses.

    Args:
        queries: unit vectors, float [lists, dim].
        documents: unit vectors of the distinct ones of the batch, float [documents, dim].
    """
    every = queries @ documents.T
    own = every.gather(1, targets.place)
    parts = []
    for name, weight in weights.items():
        if name == "kl":
            loss = list_kl(own, targets.teacher, targets.present, temperatures)
        elif name == "margin_mse":
            loss = list_margin_mse(own, targets.teacher, targets.present, targets.reference)
        else:
            loss = list_info_nce(own, every, targets.relevant, targets.negative, temperatures.student)
        parts.append(weight * loss)
    return torch.stack(parts).sum()


def standardised(scores: Tensor, present: Tensor) -> Tensor:
    """(score − mean)/sd within each list, float [lists, size]; 0 where all scores of a list are the same."""
    count = present.sum(dim=1, keepdim=True).clamp(min=1)
    known = scores.masked_fill(~present, 0.0)
    centred = (known - known.sum(dim=1, keepdim=True) / count).masked_fill(~present, 0.0)
    spread = (centred.square().sum(dim=1, keepdim=True) / count).sqrt()
    return torch.where(spread > 1e-6, centred / spread.clamp(min=1e-6), torch.zeros_like(centred))


def list_kl(cosines: Tensor, teacher: Tensor, present: Tensor, temperatures: ListTemperatures) -> Tensor:
    """Mean over lists of KL(softmax(z/T) ‖ softmax(cosines/T')), z the teacher's scores standardised a list.

    Standardised, a teacher of any scale teaches its order and its relative distances (Hinton et al. 2015 with the
    logits' scale taken out, as in Sun et al. 2024, "Logit Standardization").
    """
    least = torch.finfo(cosines.dtype).min
    taught = (standardised(teacher, present) / temperatures.teacher).masked_fill(~present, least)
    learns = (cosines / temperatures.student).masked_fill(~present, least)
    wanted, own = torch.log_softmax(taught, dim=1), torch.log_softmax(learns, dim=1)
    parts = (wanted.exp() * (wanted - own)).masked_fill(~present, 0.0)
    return parts.sum(dim=1).mean()


def list_margin_mse(cosines: Tensor, teacher: Tensor, present: Tensor, reference: Tensor) -> Tensor:
    """Mean over lists and their other documents of ((c⁺ − c) − (t⁺ − t))², the document at `reference` being +.

    Hofstätter et al. 2020, equation 4, with every other document of the list as a negative.
    """
    column = reference[:, None]
    other = present.scatter(1, column, torch.zeros_like(present[:, :1]))
    margins = (cosines.gather(1, column) - cosines) - (teacher.gather(1, column) - teacher)
    return margins.masked_fill(~other, 0.0).square().sum() / other.sum().clamp(min=1)


def list_info_nce(cosines: Tensor, every: Tensor, relevant: Tensor, negative: Tensor, temperature: float) -> Tensor:
    """Mean over all relevant documents of −log(e^{c/T} / (e^{c/T} + Σ e^{c⁻/T})), over the query's negatives.

    van den Oord et al. 2018, equation 4, with several positives a query, none of which is another's negative. Lists
    without a relevant document take no part; 0 where no list has any.

    Args:
        every: cosines of each query to all documents of the batch, float [lists, documents].
        relevant: bool [lists, size].
        negative: bool [lists, documents].
    """
    if not relevant.any():
        return cosines.sum() * 0.0
    against = (every / temperature).masked_fill(~negative, -torch.inf)
    least = torch.logsumexp(torch.cat([against, against.new_full((len(against), 1), -1e4)], dim=1), dim=1)
    own = cosines / temperature
    losses = torch.logaddexp(own, least[:, None].expand_as(own)) - own
    return losses[relevant].mean()
