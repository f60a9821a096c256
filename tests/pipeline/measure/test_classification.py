import numpy as np
import pytest
from sklearn.metrics import f1_score, precision_score, recall_score

from pipeline.measure.classification import (
    accuracy,
    average_precision,
    best_threshold,
    f1,
    macro_f1,
    one_score,
    precision,
    recall,
)


def test_hand_counted_predictions() -> None:
    predicted, labels = np.array([1, 1, 0, 0, 1]), np.array([1, 0, 0, 1, 1])
    assert accuracy(predicted, labels) == pytest.approx(3 / 5)
    assert f1(predicted, labels) == pytest.approx(2 * 2 / (2 * 2 + 1 + 1))
    assert macro_f1(predicted, labels) == pytest.approx((2 / 3 + 1 / 2) / 2)


def test_agrees_with_sklearn_on_several_classes() -> None:
    generator = np.random.default_rng(0)
    predicted, labels = generator.integers(0, 4, 200), generator.integers(0, 4, 200)
    assert f1(predicted, labels, positive=2) == pytest.approx(f1_score(labels == 2, predicted == 2))
    assert macro_f1(predicted, labels) == pytest.approx(f1_score(labels, predicted, average="macro"))


@pytest.mark.parametrize("positive", [0, 2, 4])
def test_precision_and_recall_agree_with_sklearn(positive: int) -> None:
    generator = np.random.default_rng(1)
    predicted, labels = generator.integers(0, 4, 200), generator.integers(0, 3, 200)  # 3 is never right, 4 is nowhere
    plain = {"labels": [positive], "average": "macro", "zero_division": 0}
    assert precision(predicted, labels, positive) == pytest.approx(precision_score(labels, predicted, **plain))
    assert recall(predicted, labels, positive) == pytest.approx(recall_score(labels, predicted, **plain))


def test_two_logits_are_one_score() -> None:
    np.testing.assert_array_equal(one_score(np.array([[1, 3], [2, 0]], np.float32)), [2, -2])
    np.testing.assert_array_equal(one_score(np.array([1, 3], np.float32)), [1, 3])


def test_f1_of_a_class_that_is_nowhere_is_zero() -> None:
    assert f1(np.zeros(3, int), np.zeros(3, int)) == 0.0


def test_average_precision_by_hand() -> None:
    # From the top: hit, miss, hit: precision 1 at recall 1/2, 2/3 at recall 1.
    assert average_precision(np.array([0.9, 0.8, 0.7]), np.array([1, 0, 1])) == pytest.approx(1 / 2 + 2 / 3 / 2)


@pytest.mark.parametrize("metric", ["f1", "accuracy"])
@pytest.mark.parametrize("seed", range(5))
def test_best_threshold_is_no_worse_than_any_other(metric: str, seed: int) -> None:
    generator = np.random.default_rng(seed)
    scores = generator.integers(-5, 6, 40) / 10  # many ties
    labels = (scores + generator.normal(0, 0.4, 40) > 0).astype(int)
    measure = f1 if metric == "f1" else accuracy
    threshold = best_threshold(scores, labels, metric)  # type: ignore[arg-type]
    candidates = [-9.0, *np.unique(scores), 9.0]
    best = max(measure((scores >= t).astype(int), labels) for t in candidates)
    assert measure((scores >= threshold).astype(int), labels) == pytest.approx(best)


def test_threshold_lies_midway_between_the_scores_it_separates() -> None:
    assert best_threshold(np.array([0.1, 0.2, 0.6, 0.8]), np.array([0, 0, 1, 1])) == pytest.approx(0.4)


def test_equal_scores_cannot_be_parted() -> None:
    # Parting the scores of 0.5 would find both positives; as they fall together, only the first is worth it.
    scores, labels = np.array([0.9] + [0.5] * 10), np.array([1, 1] + [0] * 9)
    assert best_threshold(scores, labels) == pytest.approx(0.7)


def test_threshold_at_the_ends() -> None:
    scores = np.array([0.3, 0.7])
    assert best_threshold(scores, np.array([1, 1])) == 0.3
    assert best_threshold(scores, np.array([0, 0]), "accuracy") > 0.7


def test_wrong_input_is_refused() -> None:
    with pytest.raises(ValueError, match=r"predicted \(2,\) and labels \(3,\)"):
        accuracy(np.zeros(2, int), np.zeros(3, int))
    with pytest.raises(ValueError, match=r"labels must be 0 or 1, found \[0, 2\]"):
        best_threshold(np.zeros(2), np.array([0, 2]))
    with pytest.raises(ValueError, match="score 1 is not finite"):
        best_threshold(np.array([0, np.inf]), np.array([0, 1]))
    with pytest.raises(ValueError, match="at least one label 1"):
        average_precision(np.zeros(2), np.zeros(2, int))
