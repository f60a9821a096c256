"""Metrics as functions of how often each example was drawn: what a bootstrap evaluates, a thousand at once.

Each function takes the data once and returns a `Statistic`: weights float64 [resamples, n], each row summing
to n, to values float64 [resamples]. It equals the plain metric of the resample written out, ties included.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:  # which takes one of these
    from pipeline.measure.classification import FloatArray, IntArray

Weights = NDArray[np.float64]
Statistic = Callable[[Weights], NDArray[np.float64]]


def weighted_spearman(predictions: FloatArray, labels: FloatArray) -> Statistic:
    """Spearman's correlation of each resample, re-ranked exactly; 0.0 where a resample is constant.

    Args:
        predictions: [n].
        labels: [n].
    """
    rank_predictions, rank_labels = _ranker(predictions), _ranker(labels)

    def statistic(weights: Weights) -> NDArray[np.float64]:
        middle = (weights.shape[1] + 1) / 2  # the mean of ranks 1..n, whatever the ties
        return _correlation(weights, rank_predictions(weights) - middle, rank_labels(weights) - middle)

    return statistic


def weighted_pearson(predictions: FloatArray, labels: FloatArray) -> Statistic:
    """Pearson's correlation of each resample; 0.0 where a resample is constant."""
    x, y = predictions.astype(np.float64), labels.astype(np.float64)

    def statistic(weights: Weights) -> NDArray[np.float64]:
        n = weights.shape[1]
        return _correlation(weights, x - (weights @ x / n)[:, None], y - (weights @ y / n)[:, None])

    return statistic


def by_text(statistic: Statistic, sides: IntArray) -> Statistic:
    """The statistic of pairs where not they but the texts that they are made of are drawn.

    A pair counts as often as its first text was drawn times how often its second was.

    Args:
        statistic: of n pairs, one of the correlations: a common factor of the weights changes nothing in these.
        sides: [n, 2], the numbers of the texts of each pair.
    """

    def of_texts(weights: Weights) -> NDArray[np.float64]:
        drawn = weights[:, sides[:, 0]] * weights[:, sides[:, 1]]
        total = drawn.sum(1, keepdims=True)
        return statistic(np.divide(drawn * len(sides), total, out=np.zeros_like(drawn), where=total > 0))

    return of_texts


def weighted_mean(values: NDArray[np.float64]) -> Statistic:
    """Mean of a figure [n] that each example has of itself, such as a query's nDCG."""
    return lambda weights: weights @ values / weights.shape[1]


def weighted_accuracy(predicted: IntArray, labels: IntArray) -> Statistic:
    """Accuracy of each resample."""
    return weighted_mean((predicted == labels).astype(np.float64))


def weighted_average_precision(scores: FloatArray, labels: IntArray) -> Statistic:
    """Average precision of class 1 in each resample, as `average_precision` has it; 0.0 where none is of class 1.

    Args:
        scores: [n], larger means class 1; equal ones fall on one side of a threshold together.
        labels: [n], 0 or 1.
    """
    order = np.argsort(-scores, kind="stable")
    starts = np.flatnonzero(np.concatenate([[True], np.diff(scores[order]) != 0]))
    positive = (labels[order] == 1).astype(np.float64)

    def statistic(weights: Weights) -> NDArray[np.float64]:
        drawn = weights[:, order]
        hits = np.add.reduceat(drawn * positive, starts, axis=1)
        taken = np.add.reduceat(drawn, starts, axis=1)
        precision = _divide(np.cumsum(hits, axis=1), np.cumsum(taken, axis=1))
        return _divide((hits * precision).sum(1), hits.sum(1))

    return statistic


def weighted_f1(predicted: IntArray, labels: IntArray, positive: int = 1) -> Statistic:
    """F1 of one class in each resample; 0.0 where it neither occurs nor is predicted."""
    hits = ((predicted == positive) & (labels == positive)).astype(np.float64)
    total = (predicted == positive).astype(np.float64) + (labels == positive)

    def statistic(weights: Weights) -> NDArray[np.float64]:
        return _divide(2 * (weights @ hits), weights @ total)

    return statistic


def weighted_macro_f1(predicted: IntArray, labels: IntArray) -> Statistic:
    """Mean F1 over the classes that a resample contains or predicts."""
    classes = [int(index) for index in np.union1d(predicted, labels)]
    members = [((predicted == index) | (labels == index)).astype(np.float64) for index in classes]
    f1s = [weighted_f1(predicted, labels, index) for index in classes]

    def statistic(weights: Weights) -> NDArray[np.float64]:
        there = np.stack([weights @ member > 0 for member in members])
        values = np.stack([f1(weights) for f1 in f1s])
        return _divide((values * there).sum(0), there.sum(0).astype(np.float64))

    return statistic


def _ranker(values: FloatArray) -> Callable[[Weights], NDArray[np.float64]]:
    """Return weights [r, n] -> mean ranks [r, n] of the examples within each resample.

    An example drawn w times fills w neighbouring ranks, and equal values share their mean, so ranks follow
    from counts alone: no resample is sorted again.
    """
    order = np.argsort(values, kind="stable")
    _, starts = np.unique(values[order], return_index=True)
    _, group = np.unique(values, return_inverse=True)

    def ranks(weights: Weights) -> NDArray[np.float64]:
        counts = np.add.reduceat(weights[:, order], starts, axis=1)
        means = np.cumsum(counts, axis=1) - (counts - 1) / 2
        return np.take(means, group, axis=1)

    return ranks


def _correlation(weights: Weights, x: Weights, y: Weights) -> NDArray[np.float64]:
    """Correlate centred x and y, [r, n], under the weights."""
    weighted = weights * x
    covariance = np.einsum("rn,rn->r", weighted, y)
    spread_x = np.einsum("rn,rn->r", weighted, x)
    spread_y = np.einsum("rn,rn,rn->r", weights, y, y)
    return _divide(covariance, np.sqrt(spread_x * spread_y))


def _divide(above: NDArray[np.float64], below: NDArray[np.float64]) -> NDArray[np.float64]:
    """Divide, 0.0 where the divisor is 0."""
    return np.divide(above, below, out=np.zeros_like(above), where=below > 0)
