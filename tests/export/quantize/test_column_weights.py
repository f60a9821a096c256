from __future__ import annotations

import numpy as np

from export.quantize.column_weights import quantize_columns


def test_columns_by_hand() -> None:
    integers, steps = quantize_columns(np.array([[1, 0, -8], [-2, 0, 6]], np.float32), 64)
    assert steps.tolist() == [2 / 64, 1, 8 / 64]
    assert integers.tolist() == [[32, 0, -64], [-64, 0, 48]]
    assert integers.dtype == np.int8
