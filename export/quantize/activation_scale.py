"""The scale that an activation keeps for good, and its columns that no such scale suits: pure functions of its rows.

In a transformer a neuron or two of a feed-forward may answer one token, [CLS] say, with values far beyond all others
(Bondarenko et al. 2021, arXiv:2109.12948). A scale that spans them leaves the other tokens few codes, so those columns
are multiplied in float32 (LLM.int8(), Dettmers et al. 2022, section 3.2). Smoothing them into the weights (SmoothQuant)
was tried and left more than twice the error: rounding the weights then costs what rounding the activation saves.

An error is counted against the size of what its row should give; else one huge token would decide for all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from export.quantize.scaled_weights import quantize_columns

Floats = NDArray[np.float32]
Columns = NDArray[np.int64]
STEPS = 255
WORTH = 0.5  # of the mean square error: columns in float32 must leave less than that
SMALLEST_ROW = 1e-6  # of the mean square of the rows' products: a row below it counts as large as that


@dataclass(frozen=True)
class Fit:
    """How an activation becomes uint8: round(x / scale) + zero_point.

    Args:
        scale: above 0.
        zero_point: the code of 0.
        kept: columns that are multiplied in float32, int64 [columns], ascending; their codes meet weights of 0.
    """

    scale: np.float32
    zero_point: np.uint8
    kept: Columns


def fit_activation(
    rows: Floats, sizes: Floats, weights: Floats, percentiles: Sequence[float], outliers: int, largest: int
) -> Fit:
    """The way whose product is nearest to that of float32, with columns in float32 only where that is worth it.

    Args:
        rows: of the activation on real texts, float32 [rows, K].
        sizes: largest absolute value of each column on all texts, float32 [K].
        weights: all that it is multiplied by, float32 [K, N].
        percentiles: of `range_of`, one or more; the best is taken.
        outliers: so many columns, of the largest sizes, may be multiplied in float32.
        largest: of an int8 weight.
    """
    least, best = _best(rows, weights, percentiles, np.array([], np.int64), largest)
    if outliers:
        kept = np.sort(np.argsort(-sizes, kind="stable")[:outliers])
        error, other = _best(rows, weights, percentiles, kept, largest)
        best = other if error < WORTH * least else best
    return best


def _best(
    rows: Floats, weights: Floats, percentiles: Sequence[float], kept: Columns, largest: int
) -> tuple[float, Fit]:
    """The least error of all percentiles, and its fit."""
    others = np.ones(len(weights), np.float32)
    others[kept] = 0
    exact, rows, weights = rows @ weights, rows * others, weights * others[:, None]
    wanted = rows @ weights
    squares = np.square(exact).sum(axis=1)
    squares = np.maximum(squares, SMALLEST_ROW * squares.mean() or np.float32(1))
    integers, scales = quantize_columns(weights, largest)
    restored = integers * scales
    found = []
    for percentile in percentiles:
        scale, zero_point = steps_of(*range_of(rows, percentile))
        codes = np.rint(rows / scale + np.float32(zero_point)).clip(0, STEPS)
        off = ((codes - np.float32(zero_point)) * scale) @ restored - wanted
        found.append((float((np.square(off).sum(axis=1) / squares).mean()), Fit(scale, zero_point, kept)))
    return min(found, key=lambda one: one[0])


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
