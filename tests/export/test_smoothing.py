from __future__ import annotations

import numpy as np
import pytest

from export.column_weights import quantize_columns
from export.smoothing import Fit, fit_activation, range_of, smoothing_divisors, steps_of

GENERATOR = np.random.default_rng(6)
ROWS = GENERATOR.standard_normal((400, 24)).astype(np.float32)
WEIGHTS = GENERATOR.standard_normal((24, 10)).astype(np.float32)


def sizes(rows: np.ndarray) -> np.ndarray:
    return np.abs(rows).max(axis=0)


def error(fit: Fit, rows: np.ndarray, largest: int = 127) -> float:
    """Mean square of what the product with 8-bit codes is off by."""
    divisors = np.ones(24, np.float32) if fit.divisors is None else fit.divisors
    codes = np.clip(np.rint(rows / divisors / fit.scale) + int(fit.zero_point), 0, 255)
    integers, scales = quantize_columns(WEIGHTS * divisors[:, None], largest)
    return float(np.square((codes - int(fit.zero_point)) * fit.scale @ (integers * scales) - rows @ WEIGHTS).mean())


def test_steps_by_hand() -> None:
    assert steps_of(-1, 4.1) == (np.float32(0.02), 50)
    assert steps_of(0, 255) == (1, 0)
    assert steps_of(-255, 0) == (1, 255)
    assert steps_of(0, 0) == (1, 0)


def test_ranges_by_hand() -> None:
    values = np.arange(-100, 301, dtype=np.float32).reshape(-1, 1)
    assert range_of(values, 100) == (-100, 300)
    assert range_of(values, 90) == (-80, 280)
    assert range_of(np.full((5, 2), 3, np.float32), 100) == (0, 3)
    assert range_of(np.full((5, 2), -3, np.float32), 100) == (-3, 0)


def test_divisors_by_hand() -> None:
    weights = np.array([[4, -1], [0.25, 0]], np.float32)
    largest = np.array([9, 1], np.float32)
    np.testing.assert_allclose(smoothing_divisors(largest, weights, 0.5), [3 / 2, 2])
    np.testing.assert_allclose(smoothing_divisors(largest, weights, 1.0), largest)
    np.testing.assert_allclose(smoothing_divisors(largest, weights, 0.0), [1 / 4, 4])


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_columns_and_weights_of_zeros_give_divisors_that_can_be_divided_by(share: float) -> None:
    weights = np.array([[0, 0], [1, 2], [0, 0]], np.float32)
    for largest in (np.array([0, 3, 1], np.float32), np.zeros(3, np.float32)):
        for one in (weights, np.zeros_like(weights)):
            divisors = smoothing_divisors(largest, one, share)
            assert np.isfinite(divisors).all()
            assert (divisors > 0).all()


def test_the_way_that_is_chosen_has_the_least_error_of_all() -> None:
    rows = ROWS * np.where(np.arange(24) == 5, 30, 1).astype(np.float32)
    rows[7, 11] = 50
    every = {
        (share, percentile): fit_activation(rows, sizes(rows), WEIGHTS, share, [percentile], 127)
        for share in ((), (0.4,), (0.8,))
        for percentile in (99.0, 99.9, 100.0)
    }
    chosen = fit_activation(rows, sizes(rows), WEIGHTS, (0.4, 0.8), (99.0, 99.9, 100.0), 127)
    errors = {way: error(fit, rows) for way, fit in every.items()}
    assert error(chosen, rows) == min(errors.values())
    assert len({round(one, 9) for one in errors.values()}) > 4, "the ways differ, so the above compares them"


def test_smoothing_takes_the_outlier_of_a_column_out_of_the_others_steps() -> None:
    rows = ROWS * np.where(np.arange(24) == 5, 60, 1).astype(np.float32)
    plain = fit_activation(rows, sizes(rows), WEIGHTS, (), (100,), 127)
    smooth = fit_activation(rows, sizes(rows), WEIGHTS, (0.5, 0.7), (100,), 127)
    assert plain.divisors is None
    assert int(np.argmax(smooth.divisors)) == 5
    assert error(smooth, rows) < 0.1 * error(plain, rows)


def test_what_needs_no_smoothing_gets_none() -> None:
    signs = np.sign(ROWS)
    ones = np.ones((24, 3), np.float32)
    assert fit_activation(signs, sizes(signs), ones, (0.5, 1.0), (100,), 127).divisors is None


def test_no_way_at_all_is_a_defect() -> None:
    with pytest.raises(ValueError, match="percentiles are empty"):
        fit_activation(ROWS, sizes(ROWS), WEIGHTS, (0.5,), (), 127)
