"""What losses weigh beside each other, as recipes say it; nothing of torch is loaded."""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple

from pydantic import BeforeValidator, Field

PairLoss = Literal["cosent", "score_mse", "margin_mse", "kl", "angle", "info_nce"]
LossWeights = Annotated[
    dict[PairLoss, Annotated[float, Field(gt=0, le=1000)]],
    BeforeValidator(lambda given: {given: 1.0} if isinstance(given, str) else given),
    Field(min_length=1),
]
ListLoss = Literal["kl", "margin_mse", "info_nce"]
"""Of lists of documents, whose names are those of the like losses of pairs."""
SIMILARITY_TEMPERATURE = 0.05


class PseudoWeights(NamedTuple):
    """What each loss weighs in `pseudo_label_loss`."""

    states: float = 1.0
    soft: float = 1.0
    hard: float = 0.5
    temperature: float = 2.0


class VectorWeights(NamedTuple):
    """What each loss weighs in `vector_loss`."""

    similarity_kl: float = 0.5
    similarity_mse: float = 20.0
    cosine: float = 2.0
    temperature: float = SIMILARITY_TEMPERATURE


class ListTemperatures(NamedTuple):
    """What divides the student's cosines, and the teacher's standardised scores, before a softmax over a list."""

    student: float = 0.05
    teacher: float = 1.0
