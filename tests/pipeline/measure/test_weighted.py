"""A weighted metric must equal the plain one on the resample written out."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy.stats import pearsonr, spearmanr
from sklearn.metrics import accuracy_score, average_precision_score, f1_score

from pipeline.measure.weighted import (
    by_text,
    weighted_accuracy,
    weighted_average_precision,
    weighted_f1,
    weighted_macro_f1,
    weighted_mean,
    weighted_pearson,
    weighted_spearman,
)

EXAMPLES, RESAMPLES = 30, 12


@pytest.fixture
def weights() -> np.ndarray:
    generator = np.random.default_rng(1)
    return generator.multinomial(EXAMPLES, np.full(EXAMPLES, 1 / EXAMPLES), size=RESAMPLES).astype(float)


def written_out(weights: np.ndarray, x: np.ndarray, y: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    return [(np.repeat(x, row.astype(int)), np.repeat(y, row.astype(int))) for row in weights]


@pytest.mark.parametrize(
    ("weighted", "plain"),
    [
        (weighted_spearman, lambda x, y: spearmanr(x, y).statistic),
        (weighted_pearson, lambda x, y: pearsonr(x, y).statistic),
    ],
)
def test_correlations(weights: np.ndarray, weighted: Callable, plain: Callable) -> None:
    generator = np.random.default_rng(2)
    x, y = generator.integers(0, 9, EXAMPLES) / 8, generator.integers(0, 6, EXAMPLES) / 5  # ties in both
    expected = [plain(a, b) for a, b in written_out(weights, x, y)]
    np.testing.assert_allclose(weighted(x, y)(weights), expected, atol=1e-12)


@pytest.mark.parametrize(
    ("weighted", "plain"),
    [
        (weighted_spearman, lambda x, y: spearmanr(x, y).statistic),
        (weighted_pearson, lambda x, y: pearsonr(x, y).statistic),
    ],
)
def test_drawing_texts_repeats_the_pairs_of_both(weights: np.ndarray, weighted: Callable, plain: Callable) -> None:
    generator = np.random.default_rng(6)
    sides = np.array([generator.choice(EXAMPLES, 2, replace=False) for _ in range(80)])
    x, y = generator.integers(0, 9, 80) / 8, generator.integers(0, 6, 80) / 5
    times = weights[:, sides[:, 0]] * weights[:, sides[:, 1]]
    expected = [plain(a, b) for a, b in written_out(times, x, y)]
    np.testing.assert_allclose(by_text(weighted(x, y), sides)(weights), expected, atol=1e-12)


@pytest.mark.parametrize(
    ("weighted", "plain"),
    [
        (weighted_accuracy, accuracy_score),
        (weighted_f1, lambda y, x: f1_score(y == 1, x == 1)),
        (weighted_macro_f1, lambda y, x: f1_score(y, x, average="macro")),
    ],
)
def test_classes(weights: np.ndarray, weighted: Callable, plain: Callable) -> None:
    generator = np.random.default_rng(3)
    predicted, labels = generator.integers(0, 3, EXAMPLES), generator.integers(0, 3, EXAMPLES)
    expected = [plain(b, a) for a, b in written_out(weights, predicted, labels)]
    np.testing.assert_allclose(weighted(predicted, labels)(weights), expected, atol=1e-12)


def test_average_precision_with_ties(weights: np.ndarray) -> None:
    generator = np.random.default_rng(4)
    scores, labels = generator.integers(0, 7, EXAMPLES) / 7, generator.integers(0, 2, EXAMPLES)
    expected = [average_precision_score(b, a) for a, b in written_out(weights, scores, labels)]
    np.testing.assert_allclose(weighted_average_precision(scores, labels)(weights), expected, atol=1e-12)
    assert weighted_average_precision(scores, 0 * labels)(weights[:1]) == pytest.approx([0])


def test_the_mean_of_examples_own_figures(weights: np.ndarray) -> None:
    values = np.random.default_rng(5).random(EXAMPLES)
    expected = [np.repeat(values, row.astype(int)).mean() for row in weights]
    np.testing.assert_allclose(weighted_mean(values)(weights), expected, atol=1e-12)


def test_a_resample_of_one_example_only_counts_as_zero() -> None:
    values = np.arange(4.0)
    assert weighted_spearman(values, values)(np.array([[4.0, 0, 0, 0]])) == pytest.approx([0])
    assert weighted_pearson(values, values)(np.array([[4.0, 0, 0, 0]])) == pytest.approx([0])
