"""Weights in int8 with one scale a column of the matrix."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
SEVEN_BITS, EIGHT_BITS = 64, 127  # the largest int8 weight
SMALLEST_SCALE = 1e-30  # a column or block below it counts as zeros: such a small float32 divides with few digits


def quantize_columns(weights: Floats, largest: int) -> tuple[NDArray[np.int8], Floats]:
    """int8 [K, N] in -largest..largest, and a scale a column, float32 [N]; 1 where a column is 0."""
    scales = (np.abs(weights).max(axis=0) / largest).astype(np.float32)
    scales = np.where(scales > SMALLEST_SCALE, scales, np.float32(1))
    return np.rint(weights / scales).clip(-largest, largest).astype(np.int8), scales
