"""The test examples on which a model falls furthest behind the teacher, for a person to read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

if TYPE_CHECKING:  # at run time they would pull in all of training and of scipy
    from pipeline.measure.correlation import FloatArray
    from teachers.cross_encoders.fine_tune import TaskKind


class Regression(BaseModel, frozen=True, extra="forbid"):
    """One example that the teacher judges better than the model."""

    first: str
    second: str
    label: float
    teacher: float
    model: float


def worst_regressions(
    task: TaskKind,
    pairs: Sequence[tuple[str, str]],
    labels: NDArray[np.floating] | NDArray[np.integer],
    teacher: FloatArray,
    model: FloatArray,
    count: int = 10,
) -> list[Regression]:
    """Find the pairs where the model's error exceeds the teacher's most, worst first.

    Scores of different models have different scales, so each is first replaced by its place among all test
    pairs, from 0 (least alike) to 1. An error is then the distance to the label's place; for classes it is 1
    minus the softmax probability of the labelled class, binary scores being placed as above.

    Args:
        task: what the labels mean.
        pairs: [n].
        labels: [n].
        teacher: [n], or [n, classes].
        model: [n], or [n, classes].
        count: how many to return at most; pairs where the model is no worse are never returned.

    Returns:
        Examples with label, teacher and model as places in 0..1; for classes label and predicted class.

    Raises:
        ValueError: lengths differ.
    """
    if not len(pairs) == len(labels) == len(teacher) == len(model):
        raise ValueError(f"lengths differ: {len(pairs)}, {len(labels)}, {len(teacher)}, {len(model)}")
    if task == "multiclass":
        index = labels.astype(np.int64)
        excess = _probability(teacher, index) - _probability(model, index)
        shown = labels.astype(np.float64), teacher.argmax(1), model.argmax(1)
    else:
        truth = labels.astype(np.float64) if task == "binary" else _places(labels)
        shown = truth, _places(teacher), _places(model)
        excess = np.abs(shown[2] - truth) - np.abs(shown[1] - truth)
    worst = [int(i) for i in np.argsort(-excess, kind="stable")[:count] if excess[i] > 0]
    return [
        Regression(
            first=pairs[i][0],
            second=pairs[i][1],
            label=float(shown[0][i]),
            teacher=float(shown[1][i]),
            model=float(shown[2][i]),
        )
        for i in worst
    ]


def _places(values: NDArray[np.floating] | NDArray[np.integer]) -> NDArray[np.float64]:
    """Mean rank of each value, scaled to 0..1; ties share."""
    from scipy.stats import rankdata  # half a second, which commands that only read a report need not wait

    return np.asarray((rankdata(values) - 1) / max(1, len(values) - 1), dtype=np.float64)


def _probability(logits: FloatArray, index: NDArray[np.int64]) -> NDArray[np.float64]:
    """Softmax probability of one class a row."""
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return np.asarray((powers / powers.sum(1, keepdims=True))[np.arange(len(index)), index], dtype=np.float64)
