"""An activation's one scale, and the divisors that smooth its outliers into the weights: pure functions of its rows.

x · w = (x / d) · (d · w), and the larger d where a column of x is large, the more alike the columns of x / d, which
share a scale, and the less alike the rows of d · w (SmoothQuant, Xiao et al. 2023, arXiv:2211.10438, equation 4). How
far to go, and how many of the largest values to cut off, differs from activation to activation: on a student of three
layers one share for all loses between 0.8 and 3 % of cosine. So both are chosen for each by the error of its products.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from export.column_weights import quantize_columns

Floats = NDArray[np.float32]
STEPS = 255
SMALLEST_SIZE = 1e-5  # of a column of the activation or a row of the weights, against the largest: it is divided by


@dataclass(frozen=True)
class Fit:
    """How an activation becomes uint8: round(x / divisors / scale) + zero_point.

    Args:
        divisors: float32 [K], above 0; None where nothing is smoothed.
        scale: above 0.
        zero_point: the code of 0.
    """

    divisors: Floats | None
    scale: np.float32
    zero_point: np.uint8


def fit_activation(
    rows: Floats, sizes: Floats, weights: Floats, shares: Sequence[float], percentiles: Sequence[float], largest: int
) -> Fit:
    """Of all ways to smooth and to cut, the one whose product is nearest to that of float32 in the mean of squares.

    Args:
        rows: of the activation on real texts, float32 [rows, K].
        sizes: largest absolute value of each column on all texts, float32 [K].
        weights: all that it is multiplied by, float32 [K, N].
        shares: of `smoothing_divisors`, tried beside no smoothing at all.
        percentiles: of `range_of`, tried with each.
        largest: of an int8 weight.
    """
    exact = rows @ weights
    best: Fit | None = None
    least = np.inf
    for divisors in (None, *(smoothing_divisors(sizes, weights, share) for share in shares)):
        smooth, heavy = (rows, weights) if divisors is None else (rows / divisors, weights * divisors[:, None])
        integers, scales = quantize_columns(heavy, largest)
        restored = integers * scales
        for percentile in percentiles:
            scale, zero_point = steps_of(*range_of(smooth, percentile))
            codes = np.rint(smooth / scale + np.float32(zero_point)).clip(0, STEPS)
            error = float(np.square(((codes - np.float32(zero_point)) * scale) @ restored - exact).sum())
            if best is None or error < least:
                best, least = Fit(divisors, scale, zero_point), error
    if best is None:
        raise ValueError("percentiles are empty")
    return best


def smoothing_divisors(sizes: Floats, weights: Floats, share: float) -> Floats:
    """Divisors of an activation's columns, float32 [K], above 0.

    Args:
        sizes: largest absolute value of each column, float32 [K].
        weights: all that it is multiplied by, float32 [K, N].
        share: 0..1; with 1 all columns become equally large, with 0 all rows of the weights do.
    """
    rows = np.abs(weights).max(axis=1)
    columns = np.maximum(sizes, SMALLEST_SIZE * sizes.max() or np.float32(1))
    rows = np.maximum(rows, SMALLEST_SIZE * rows.max() or np.float32(1))
    return (columns**share / rows ** (1 - share)).astype(np.float32)


def range_of(rows: Floats, percentile: float) -> tuple[float, float]:
    """Ends, at most 0 and at least 0, that so many of the values lie between, ×100; at either end half of the rest."""
    beyond = (100 - percentile) / 200
    low, high = np.quantile(rows, [beyond, 1 - beyond])
    return min(0.0, float(low)), max(0.0, float(high))


def steps_of(low: float, high: float) -> tuple[np.float32, np.uint8]:
    """Scale and zero point with which 0..255 spans a range: value ≈ (code − zero point) · scale.

    Args:
        low: 0 or less; it is moved by up to half a step, so that 0 is a code.
        high: 0 or more; where both are 0, the scale is 1.
    """
    scale = np.float32((high - low) / STEPS) or np.float32(1)
    return scale, np.uint8(np.clip(np.rint(-low / scale), 0, STEPS))
