from __future__ import annotations

import numpy as np

from export.quantize.activation_scale import Fit, fit_activation, range_of, steps_of
from export.quantize.scaled_weights import quantize_columns

GENERATOR = np.random.default_rng(6)
ROWS = GENERATOR.standard_normal((400, 24)).astype(np.float32)
WEIGHTS = GENERATOR.standard_normal((24, 10)).astype(np.float32)


def fitted(rows: np.ndarray, percentiles: tuple[float, ...] = (100,), outliers: int = 0) -> Fit:
    return fit_activation(rows, np.abs(rows).max(axis=0), WEIGHTS, percentiles, outliers, 127)


def errors(fit: Fit, rows: np.ndarray) -> np.ndarray:
    """Square of what each row's product with 8-bit codes is off by, in those of what it should be."""
    others = np.delete(np.arange(24), fit.kept)
    codes = np.clip(np.rint(rows / fit.scale) + int(fit.zero_point), 0, 255)[:, others]
    integers, scales = quantize_columns(WEIGHTS[others], 127)
    product = (codes - int(fit.zero_point)) * fit.scale @ (integers * scales) + rows[:, fit.kept] @ WEIGHTS[fit.kept]
    exact = rows @ WEIGHTS
    return np.square(product - exact).sum(axis=1) / np.square(exact).sum(axis=1)


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


def test_the_percentile_that_is_chosen_has_the_least_error_of_all() -> None:
    rows = ROWS.copy()
    rows[7, 11] = 50
    tried = {percentile: errors(fitted(rows, (percentile,)), rows).mean() for percentile in (90.0, 99.9, 100.0)}
    assert min(tried, key=tried.__getitem__) == 99.9
    assert errors(fitted(rows, tuple(tried)), rows).mean() == tried[99.9]


def test_a_token_of_huge_values_does_not_decide_for_the_others() -> None:
    """Of the sum of squares its own error is the greater part, so that would span it and leave the rest few codes."""
    rows = ROWS.copy()
    rows[7] = 40 * np.abs(rows[7])
    cut, spanned = (fitted(rows, (percentile,)) for percentile in (99.0, 100.0))
    others = np.arange(400) != 7
    absolute = [errors(fit, rows) * np.square(rows @ WEIGHTS).sum(axis=1) for fit in (cut, spanned)]
    assert absolute[0].sum() > absolute[1].sum()
    assert errors(cut, rows)[others].mean() < 0.5 * errors(spanned, rows)[others].mean()
    assert fitted(rows, (99.0, 100.0)).scale == cut.scale


def test_columns_beyond_the_others_stay_in_float() -> None:
    rows = ROWS * np.where(np.isin(np.arange(24), [20, 5]), 60, 1).astype(np.float32)
    plain, fit = fitted(rows), fitted(rows, outliers=2)
    assert plain.kept.tolist() == []
    assert fit.kept.tolist() == [5, 20]
    assert fit.scale < 0.1 * plain.scale
    np.testing.assert_allclose(rows[:, fit.kept].max(), rows.max())


def test_columns_like_the_others_do_not() -> None:
    assert fitted(ROWS, outliers=2).kept.tolist() == []
    nothing = fitted(np.zeros_like(ROWS), outliers=2)
    assert (nothing.scale, nothing.zero_point, nothing.kept.tolist()) == (1, 0, [])
