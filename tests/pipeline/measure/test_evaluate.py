import numpy as np
import pytest
from scipy.stats import pearsonr, spearmanr
from sklearn.metrics import average_precision_score, precision_recall_fscore_support

from pipeline.measure.evaluate import DevScores, Examples, compare, evaluate, judge

GENERATOR = np.random.default_rng(0)
LABELS = GENERATOR.random(80)
TEACHER = LABELS + GENERATOR.normal(0, 0.1, 80)
STUDENT = LABELS + GENERATOR.normal(0, 0.3, 80)


def test_regression_rows_name_their_metric_and_stand_beside_teacher_and_student() -> None:
    rows = evaluate(
        Examples("regression", LABELS),
        {"big": TEACHER, "small": STUDENT, "tiny": -LABELS},
        teacher="big",
        student="small",
    )
    small = rows["small"]
    assert small.metric == "spearman"
    assert small.examples == 80
    assert small.spearman == pytest.approx(spearmanr(STUDENT, LABELS).statistic)
    assert small.pearson == pytest.approx(pearsonr(STUDENT, LABELS).statistic)
    assert small.value == small.spearman
    assert small.of_teacher == pytest.approx(small.value / rows["big"].value)
    assert small.of_student == 1
    assert small.ci95[0] < small.value < small.ci95[1]
    assert small.difference_to_teacher is not None
    assert small.difference_to_teacher.ci95[1] < 0
    assert small.difference_to_teacher.p == 1
    assert rows["big"].difference_to_teacher is None
    assert rows["tiny"].value == pytest.approx(-1)


def test_json_holds_only_the_metrics_of_the_task() -> None:
    row = evaluate(Examples("regression", LABELS), {"big": TEACHER}, teacher="big")["big"]
    assert set(row.model_dump()) == {
        "metric", "examples", "spearman", "pearson", "ci95", "of_teacher", "of_student",
    }  # fmt: skip
    assert list(row.values) == ["spearman", "pearson"]


def test_binary_threshold_comes_from_dev_and_not_from_test() -> None:
    dev = DevScores(np.array([0.1, 0.2, 0.8, 0.9]), np.array([0, 0, 1, 1]))
    labels, scores = np.array([0, 1, 1, 0]), np.array([0.1, 0.3, 0.9, 0.6])
    row = compare(judge("binary", labels, scores, dev))
    assert row.threshold == pytest.approx(0.5)
    assert row.metric == "f1"
    assert row.f1 == pytest.approx(2 * 1 / (2 + 2))  # 0.9 found, 0.3 missed, 0.6 false
    assert row.accuracy == pytest.approx(0.5)
    assert row.average_precision == pytest.approx(1 / 2 + 2 / 3 / 2)


def test_average_precision_may_be_the_main_metric_and_a_threshold_be_known() -> None:
    labels, scores = np.array([0, 1, 1, 0]), np.array([0.1, 0.3, 0.9, 0.6])
    row = compare(judge("binary", labels, scores, 0.2, metric="average_precision"))
    assert (row.metric, row.threshold) == ("average_precision", 0.2)
    assert row.value == pytest.approx(1 / 2 + 2 / 3 / 2)
    assert row.ci95[0] < row.value <= row.ci95[1]
    assert row.accuracy == 0.75


def test_multiclass_reads_logits() -> None:
    logits = np.array([[2.0, 1, 0], [0, 3, 1], [0, 1, 5], [9, 0, 1]])
    row = compare(judge("multiclass", np.array([0, 1, 2, 2]), logits))
    assert row.metric == "accuracy"
    assert row.accuracy == 0.75
    assert row.macro_f1 == pytest.approx((2 / 3 + 1 + 2 / 3) / 3)


def test_a_threshold_comes_with_its_precision_recall_and_f1() -> None:
    generator = np.random.default_rng(7)
    labels, dev_labels = generator.integers(0, 2, 120), generator.integers(0, 2, 90)
    scores, dev_scores = labels + generator.normal(0, 0.8, 120), dev_labels + generator.normal(0, 0.8, 90)
    row = compare(judge("binary", labels, scores, DevScores(dev_scores, dev_labels)))
    expected = precision_recall_fscore_support(labels, scores >= row.threshold, average="binary")
    assert (row.precision, row.recall, row.f1) == pytest.approx(expected[:3])
    assert row.average_precision == pytest.approx(average_precision_score(labels, scores))
    assert list(row.values) == ["f1", "accuracy", "average_precision", "precision", "recall"]


def test_every_class_has_its_figures() -> None:
    generator = np.random.default_rng(8)
    labels, logits = generator.integers(0, 3, 90), generator.normal(size=(90, 4))  # the fourth is never labelled
    row = compare(judge("multiclass", labels, logits))
    expected = np.array(
        precision_recall_fscore_support(labels, logits.argmax(1), labels=range(4), zero_division=0)
    ).T  # [classes, 4]
    found = [(one.precision, one.recall, one.f1, one.examples) for one in row.classes]
    np.testing.assert_allclose(found, expected)


def test_where_texts_are_drawn_the_interval_is_theirs() -> None:
    sides = np.array([[first, second] for first in range(10) for second in range(10, 18)])
    by_pairs, by_texts = (
        evaluate(Examples("regression", LABELS, sides=drawn), {"small": STUDENT})["small"] for drawn in (None, sides)
    )
    assert by_texts.spearman == by_pairs.spearman
    assert (by_pairs.texts, by_texts.texts, by_texts.examples) == (None, 18, 80)
    assert by_texts.ci95[0] < by_texts.spearman < by_texts.ci95[1]
    assert by_texts.ci95 != by_pairs.ci95


def test_another_main_metric_can_be_named() -> None:
    row = compare(judge("regression", LABELS, STUDENT, metric="pearson"))
    assert row.value == row.pearson


def test_wrong_input_is_refused() -> None:
    with pytest.raises(ValueError, match="binary needs development scores"):
        judge("binary", np.array([0, 1]), np.array([0.0, 1.0]))
    with pytest.raises(ValueError, match=r"metric 'f1' is not for regression: choose one of spearman, pearson"):
        judge("regression", LABELS, STUDENT, metric="f1")
    with pytest.raises(ValueError, match=r"multiclass logits must be \[2, classes\], got \[2\]"):
        judge("multiclass", np.array([0, 1]), np.array([0.0, 1.0]))
    with pytest.raises(ValueError, match="teacher 'huge' has no predictions; big have"):
        evaluate(Examples("regression", LABELS), {"big": TEACHER}, teacher="huge")
    with pytest.raises(ValueError, match="spearman on 80 examples cannot be compared with spearman on 40"):
        compare(judge("regression", LABELS, STUDENT), judge("regression", LABELS[:40], STUDENT[:40]))
