"""Correlation of predicted and labelled similarity."""

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.floating]


def spearman(predictions: FloatArray, labels: FloatArray) -> float:
    """Rank correlation of predictions and labels, in -1..1, ties sharing their mean rank.

    Args:
        predictions: [pairs], any range.
        labels: [pairs].

    Returns:
        The correlation. Constant predictions rank nothing and get 0.0, where the formula is undefined.

    Raises:
        ValueError: lengths differ, fewer than 2 pairs, a value that is not finite, or constant labels.
    """
    check_pairs(predictions, labels)
    from scipy.stats import spearmanr  # a second, which a check of a recipe need not wait

    return 0.0 if is_constant(predictions) else float(spearmanr(predictions, labels).statistic)


def pearson(predictions: FloatArray, labels: FloatArray) -> float:
    """Linear correlation of predictions and labels, in -1..1; arguments and errors as in `spearman`."""
    check_pairs(predictions, labels)
    if is_constant(predictions):
        return 0.0
    from scipy.stats import pearsonr  # as above

    return float(pearsonr(predictions.astype(np.float64), labels.astype(np.float64)).statistic)


def is_constant(values: FloatArray) -> bool:
    """Whether all values are one and the same."""
    return bool(np.all(values == values[0]))


def check_pairs(predictions: FloatArray, labels: FloatArray) -> None:
    """Refuse what no correlation can be computed from.

    Raises:
        ValueError: see `spearman`.
    """
    if predictions.shape != labels.shape or predictions.ndim != 1:
        raise ValueError(f"predictions {predictions.shape} and labels {labels.shape} must both be [pairs]")
    if len(labels) < 2:
        raise ValueError(f"a correlation needs at least 2 pairs, got {len(labels)}")
    for name, values in (("predictions", predictions), ("labels", labels)):
        wrong = np.flatnonzero(~np.isfinite(values))
        if len(wrong):
            raise ValueError(f"{name}[{wrong[0]}] is {values[wrong[0]]}, expected a finite number")
    if is_constant(labels):
        raise ValueError(f"all {len(labels)} labels are {labels[0]}: no correlation is defined")
