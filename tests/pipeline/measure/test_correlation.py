import numpy as np
import pytest

from pipeline.measure.correlation import pearson, spearman


def test_spearman_is_the_rank_formula_where_nothing_ties() -> None:
    predictions, labels = np.array([0.1, 0.4, 0.3, 0.9, 0.5]), np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    # Ranks 1 3 2 5 4 against 1 2 3 4 5: squared differences sum to 4; 1 - 6·4 / (5·24) = 0.8.
    assert spearman(predictions, labels) == pytest.approx(0.8)


def test_spearman_gives_ties_their_mean_rank() -> None:
    # Ranks 1.5 1.5 3 against 1 2 3: covariance 1.5, spreads 1.5 and 2.
    assert spearman(np.array([0.0, 0.0, 7.0]), np.array([1.0, 2.0, 3.0])) == pytest.approx(1.5 / np.sqrt(3.0))


def test_spearman_does_not_depend_on_scale_and_pearson_does() -> None:
    labels = np.linspace(0, 1, 20)
    assert spearman(np.exp(9 * labels), labels) == pytest.approx(1)
    assert pearson(3 * labels + 2, labels) == pytest.approx(1)
    assert pearson(np.exp(9 * labels), labels) < 0.8


@pytest.mark.parametrize("metric", [spearman, pearson])
def test_constant_predictions_rank_nothing(metric: object) -> None:
    assert callable(metric)
    assert metric(np.full(5, 0.5, np.float32), np.arange(5.0)) == 0.0


@pytest.mark.parametrize(
    ("predictions", "labels", "message"),
    [
        (np.zeros(3), np.zeros(4), r"predictions \(3,\) and labels \(4,\)"),
        (np.zeros(1), np.zeros(1), "at least 2 pairs, got 1"),
        (np.array([0.0, np.nan]), np.array([0.0, 1.0]), r"predictions\[1\] is nan"),
        (np.array([0.0, 1.0]), np.array([2.0, 2.0]), "all 2 labels are 2.0"),
    ],
)
def test_what_has_no_correlation_is_refused(predictions: np.ndarray, labels: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        spearman(predictions, labels)
