"""Percentile bootstrap over test examples (Efron & Tibshirani 1993, chapters 13 and 16)."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.measure.weighted import Statistic, Weights

RESAMPLES = 1000
CELLS_AT_ONCE = 4_000_000  # weights in memory at a time, 8 bytes each


class PairedDifference(NamedTuple):
    """What a row gains over a reference on the same resamples, in the metric's own unit."""

    mean: float
    low: float
    high: float
    share_not_above: float
    """Share of resamples in which the row is not better, 0..1: a one-sided p."""


def bootstrap(statistic: Statistic, examples: int, *, resamples: int = RESAMPLES, seed: int = 0) -> NDArray[np.float64]:
    """Evaluate a statistic on resamples of the test examples, drawn with replacement.

    The same examples, resamples and seed draw the same resamples, so two rows can be compared pair by pair.

    Args:
        statistic: one of `pipeline.measure.weighted`.
        examples: number of test examples, at least 1.
        resamples: number of resamples, at least 1.
        seed: of the draws.

    Returns:
        float64 [resamples].

    Raises:
        ValueError: examples or resamples below 1.
    """
    if examples < 1 or resamples < 1:
        raise ValueError(f"examples and resamples must be at least 1, got {examples} and {resamples}")
    generator = np.random.default_rng(seed)
    at_once = max(1, CELLS_AT_ONCE // examples)
    sizes = [min(at_once, resamples - start) for start in range(0, resamples, at_once)]
    return np.concatenate([statistic(_draw(generator, size, examples)) for size in sizes])


def percentile_interval(values: NDArray[np.float64], level: float = 0.95) -> tuple[float, float]:
    """Bounds that hold the middle share of bootstrap values.

    Args:
        values: [resamples].
        level: share inside, in 0..1, exclusive.

    Raises:
        ValueError: level outside 0..1.
    """
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, got {level}")
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def paired_difference(
    values: NDArray[np.float64], reference: NDArray[np.float64], level: float = 0.95
) -> PairedDifference:
    """Compare a row with a reference row, both bootstrapped with the same seed on the same examples.

    Args:
        values: the row's, [resamples].
        reference: the reference's, [resamples].
        level: share inside the interval.

    Raises:
        ValueError: the numbers of resamples differ.
    """
    if values.shape != reference.shape:
        raise ValueError(f"{len(values)} resamples cannot be paired with {len(reference)}")
    gains = values - reference
    low, high = percentile_interval(gains, level)
    return PairedDifference(float(gains.mean()), low, high, float(np.mean(gains <= 0)))


def _draw(generator: np.random.Generator, resamples: int, examples: int) -> Weights:
    """How often each example is drawn in each resample, float64 [resamples, examples]."""
    drawn = generator.integers(0, examples, size=(resamples, examples))
    drawn += np.arange(resamples)[:, None] * examples
    counts = np.bincount(drawn.ravel(), minlength=resamples * examples)
    return counts.reshape(resamples, examples).astype(np.float64)
