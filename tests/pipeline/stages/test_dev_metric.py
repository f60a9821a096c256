import numpy as np
import pytest

from pipeline.stages.dev_metric import dev_metric

LABELS = np.array([0, 0, 1, 1], np.float32)


def test_regression_ranks_or_fits_a_line() -> None:
    labels, scores = np.array([0, 0.1, 0.2, 1], np.float32), np.array([1, 2, 3, 4], np.float32)
    assert dev_metric("regression", labels)(scores) == pytest.approx(1)
    assert dev_metric("regression", labels, "pearson")(scores) == pytest.approx(np.corrcoef(labels, scores)[0, 1])


def test_binary_takes_the_best_threshold_on_dev() -> None:
    assert dev_metric("binary", LABELS)(np.array([-9, -8, -7, -6], np.float32)) == 1
    mixed = np.array([3, 1, 2, 4], np.float32)  # both positives found costs one false one
    assert dev_metric("binary", LABELS)(mixed) == pytest.approx(0.8)
    assert dev_metric("binary", LABELS, "accuracy")(mixed) == 0.75
    # the positives are found first and third: precision 1 and 2/3
    assert dev_metric("binary", LABELS, "average_precision")(mixed) == pytest.approx((1 + 2 / 3) / 2)


def test_multiclass_takes_the_largest_logit() -> None:
    logits = np.array([[9, 0, 0], [0, 9, 0], [0, 9, 0], [0, 9, 0]], np.float32)
    assert dev_metric("multiclass", LABELS)(logits) == 0.75
    # class 0: precision 1, recall 1/2; class 1: precision 2/3, recall 1
    assert dev_metric("multiclass", LABELS, "macro_f1")(logits) == pytest.approx((2 / 3 + 4 / 5) / 2)
