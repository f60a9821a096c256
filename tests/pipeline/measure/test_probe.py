import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import minimize

from decant.errors import InputError
from pipeline.measure.probe import (
    ProbeSettings,
    class_numbers,
    cosine_average_precision,
    cross_validated_probe,
    pair_features,
    probe,
)

SETTINGS = ProbeSettings()


def _two_clouds(n: int, apart: float, seed: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    generator = np.random.default_rng(seed)
    labels = np.arange(n) % 2
    vectors = generator.normal(size=(n, 4))
    vectors[:, 0] += apart * (2 * labels - 1)
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32), labels


def _by_hand(train: NDArray[np.float32], labels: NDArray[np.int64], test: NDArray[np.float32], c: float) -> list[int]:
    """Classes by the textbook objective, C·Σ log(1 + exp(−y·(w·x + b))) + |w|²/2, minimised with no gradient given."""
    signs = 2 * labels - 1

    def objective(weights: NDArray[np.float64]) -> float:
        margins = signs * (train @ weights[:-1] + weights[-1])
        return float(c * np.logaddexp(0, -margins).sum() + weights[:-1] @ weights[:-1] / 2)

    weights = minimize(objective, np.zeros(train.shape[1] + 1), method="BFGS").x
    return (test @ weights[:-1] + weights[-1] > 0).astype(int).tolist()


@pytest.mark.parametrize("c", [0.01, 1.0, 100.0])
def test_the_probe_is_logistic_regression_with_an_l2_penalty(c: float) -> None:
    train, labels = _two_clouds(60, 0.4, 0)
    test, truth = _two_clouds(200, 0.4, 1)
    expected = np.mean(np.array(_by_hand(train.astype(np.float64), labels, test.astype(np.float64), c)) == truth)
    assert probe(train, labels, test, truth, ProbeSettings(c=c)) == pytest.approx(expected, abs=0.005)
    assert 0.55 < expected < 0.95


def test_folds_never_see_what_they_predict() -> None:
    # 40 examples in 40 dimensions of their own: what is known of the others says nothing about one of them, while a
    # probe that had seen it would be always right.
    vectors, labels = np.eye(40, dtype=np.float32), np.arange(40) % 2
    assert probe(vectors, labels, vectors, labels, SETTINGS) == 1.0
    assert cross_validated_probe(vectors, labels, ProbeSettings(folds=4)) <= 0.5


def test_folds_are_the_same_for_a_seed_and_their_share_right_is_over_all_examples() -> None:
    vectors, labels = _two_clouds(45, 0.5, 2)
    first = cross_validated_probe(vectors, labels, SETTINGS)
    assert first == cross_validated_probe(vectors, labels, SETTINGS)
    assert (45 * first) == pytest.approx(round(45 * first))  # 5 of the 10 folds hold 4 examples, 5 hold 5
    others = {cross_validated_probe(vectors, labels, ProbeSettings(seed=seed)) for seed in range(1, 6)}
    assert others != {first}


def test_three_classes_are_told_apart() -> None:
    vectors = np.repeat(np.eye(3, dtype=np.float32), 5, axis=0)
    labels = class_numbers([name for name in ("b", "a", "c") for _ in range(5)])
    assert labels.tolist() == [1] * 5 + [0] * 5 + [2] * 5
    assert probe(vectors, labels, vectors[::5], labels[::5], SETTINGS) == 1.0


def test_pair_features_are_the_distance_and_the_product() -> None:
    u, v = np.array([[1.0, -2.0]], np.float32), np.array([[3.0, 0.5]], np.float32)
    assert pair_features(u, v).tolist() == [[2.0, 2.5, 3.0, -1.0]]
    assert np.array_equal(pair_features(u, v), pair_features(v, u))


def test_cosine_average_precision_ranks_pairs_by_their_cosine() -> None:
    u = np.array([[1, 0], [1, 0], [1, 0]], np.float32)
    v = np.array([[1, 0], [0.6, 0.8], [0, 1]], np.float32)
    # Cosines 1, 0.6, 0 of classes 1, 0, 1: precision 1 at the first hit and 2/3 at the second.
    assert cosine_average_precision(u, v, np.array([1, 0, 1])) == pytest.approx((1 + 2 / 3) / 2)


def test_what_no_probe_can_be_fitted_on_is_refused() -> None:
    vectors = np.eye(4, dtype=np.float32)
    with pytest.raises(InputError, match="2 examples have 1 class"):
        class_numbers(["yes", "yes"])
    with pytest.raises(InputError, match="all 4 training examples are of class 1"):
        probe(vectors, np.ones(4, int), vectors, np.ones(4, int), SETTINGS)
    with pytest.raises(InputError, match="class 0 has 1 examples, fewer than the 2 folds"):
        cross_validated_probe(vectors, np.array([0, 1, 1, 1]), ProbeSettings(folds=2))


def test_shapes_that_do_not_fit_are_refused() -> None:
    vectors, labels = np.eye(4, dtype=np.float32), np.array([0, 1, 0, 1])
    with pytest.raises(ValueError, match=r"train: features \(4, 4\) and labels \(3,\)"):
        probe(vectors, labels[:3], vectors, labels, SETTINGS)
    with pytest.raises(ValueError, match="equally many features"):
        probe(vectors, labels, vectors[:, :2], labels, SETTINGS)
    with pytest.raises(ValueError, match="test: row 2 is not finite"):
        probe(vectors, labels, np.where(np.eye(4) * [0, 0, 1, 0], np.nan, vectors), labels, SETTINGS)
    with pytest.raises(ValueError, match=r"u \(4, 4\) and v \(4, 2\)"):
        pair_features(vectors, vectors[:, :2])
