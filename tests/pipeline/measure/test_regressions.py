import numpy as np
import pytest

from pipeline.measure.regressions import worst_regressions

PAIRS = [(f"a{index}", f"b{index}") for index in range(5)]


def test_the_pair_that_moved_most_in_rank_comes_first_whatever_the_scales() -> None:
    labels = np.array([0.0, 1, 2, 3, 4])
    teacher, model = labels * 10 - 7, np.array([0.9, 0.1, 0.2, 0.3, 0.4])  # the first should be last
    found = worst_regressions("regression", PAIRS, labels, teacher, model)
    assert (found[0].first, found[0].second) == ("a0", "b0")
    assert (found[0].label, found[0].teacher, found[0].model) == (0, 0, 1)
    assert len(found) == 5
    assert len(worst_regressions("regression", PAIRS, labels, teacher, model, count=2)) == 2


def test_pairs_on_which_the_model_is_no_worse_are_left_out() -> None:
    labels = np.array([0.0, 1, 2, 3, 4])
    assert worst_regressions("regression", PAIRS, labels, -labels, labels) == []


def test_classes() -> None:
    labels = np.array([0, 1, 2, 0, 1])
    teacher = np.eye(3)[labels] * 4
    model = teacher.copy()
    model[3] = [0, 9, 0]
    found = worst_regressions("multiclass", PAIRS, labels, teacher, model)
    assert [(pair.first, pair.label, pair.teacher, pair.model) for pair in found] == [("a3", 0, 0, 1)]


def test_binary_labels_are_0_and_1() -> None:
    labels = np.array([0, 0, 1, 1, 1])
    teacher, model = np.array([0.0, 1, 2, 3, 4]), np.array([4.0, 1, 2, 3, 0])
    found = worst_regressions("binary", PAIRS, labels, teacher, model)
    assert {pair.first for pair in found} == {"a0", "a4"}
    assert found[0].label in (0, 1)


def test_unequal_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="lengths differ: 5, 4, 5, 5"):
        worst_regressions("regression", PAIRS, np.zeros(4), np.zeros(5), np.zeros(5))
