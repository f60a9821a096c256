"""Predictions of every row on one test set become the metrics of report.json."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.measure import weighted
from pipeline.measure.bootstrap import RESAMPLES, bootstrap, paired_difference, percentile_interval
from pipeline.measure.classification import (
    accuracy,
    average_precision,
    best_threshold,
    f1,
    macro_f1,
    precision,
    recall,
)
from pipeline.measure.correlation import FloatArray, pearson, spearman
from pipeline.measure.set_metrics import MAIN_METRICS as MAIN_METRICS
from pipeline.measure.set_metrics import ClassFigures, Difference, MainMetric, SetMetrics
from pipeline.measure.set_metrics import MetricName as MetricName

if TYPE_CHECKING:  # at run time it would pull in all of training
    from teachers.cross_encoders.fine_tune import TaskKind


class DevScores(NamedTuple):
    """A binary model's scores on the development split, from which its threshold is chosen."""

    scores: FloatArray
    labels: NDArray[np.integer]


@dataclass(frozen=True)
class Judged:
    """One model on one test set, before it is compared with others."""

    metric: MainMetric
    values: dict[str, float]
    samples: NDArray[np.float64]
    """The main metric of each bootstrap resample, [resamples]."""
    examples: int
    classes: tuple[ClassFigures, ...] | None = None
    """Multiclass only."""
    texts: int | None = None
    """How many were drawn from, where not the pairs were."""

    @property
    def value(self) -> float:
        """The main metric, a fraction."""
        return self.values[self.metric]


def judge(
    task: TaskKind,
    labels: NDArray[np.floating] | NDArray[np.integer],
    predictions: FloatArray,
    dev: DevScores | float | None = None,
    *,
    metric: MainMetric | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
    sides: NDArray[np.integer] | None = None,
) -> Judged:
    """Measure one model on one test set and bootstrap its main metric.

    Args:
        task: what the labels mean.
        labels: [n]: regression any range; binary 0 or 1; multiclass class indices.
        predictions: [n] scores, any range (larger = more alike, or positive); multiclass logits [n, classes].
        dev: binary only: where the threshold comes from, or a threshold that was chosen on such scores before.
        metric: main metric, one of MAIN_METRICS[task]; None for the first of them.
        resamples: number of bootstrap resamples.
        seed: of the resamples.
        sides: regression only: [n, 2], the numbers of the texts of each pair, which are then drawn in place of the
            pairs.

    Raises:
        ValueError: shapes that do not fit the task, binary without dev scores, or a metric of another task.
    """
    main: MainMetric = metric or MAIN_METRICS[task][0]
    if main not in MAIN_METRICS[task]:
        raise ValueError(f"metric {main!r} is not for {task}: choose one of {', '.join(MAIN_METRICS[task])}")
    classes: tuple[ClassFigures, ...] | None = None
    if task == "regression":
        values, statistic = _regression(labels.astype(np.float64), predictions, main)
    elif task == "binary":
        values, statistic = _binary(labels.astype(np.int64), predictions, dev, main)
    else:
        values, statistic = _multiclass(labels.astype(np.int64), predictions, main)
        classes = class_figures(predictions, labels.astype(np.int64))
    if sides is None:
        samples = bootstrap(statistic, len(labels), resamples=resamples, seed=seed)
        return Judged(main, values, samples, len(labels), classes)
    texts = int(sides.max()) + 1
    samples = bootstrap(weighted.by_text(statistic, sides), texts, resamples=resamples, seed=seed)
    return Judged(main, values, samples, len(labels), texts=texts)


@dataclass(frozen=True)
class Examples:
    """A test set, and how every model is judged on it.

    Args:
        task: what the labels mean.
        labels: [n], as `judge` takes them.
        dev_labels: binary only: [dev].
        metric: main metric; None for the task's first.
        resamples: number of bootstrap resamples.
        seed: of the resamples.
        sides: as `judge` takes them.
    """

    task: TaskKind
    labels: NDArray[np.floating] | NDArray[np.integer]
    dev_labels: NDArray[np.integer] | None = None
    metric: MainMetric | None = None
    resamples: int = RESAMPLES
    seed: int = 0
    sides: NDArray[np.integer] | None = None

    def judge(self, predictions: FloatArray, dev_predictions: FloatArray | None = None) -> Judged:
        """One model; `dev_predictions` are its scores [dev], for the threshold of a binary task."""
        dev = None
        if dev_predictions is not None and self.dev_labels is not None:
            dev = DevScores(dev_predictions, self.dev_labels)
        return judge(
            self.task, self.labels, predictions, dev, metric=self.metric, resamples=self.resamples, seed=self.seed,
            sides=self.sides,
        )  # fmt: skip


def compare(row: Judged, teacher: Judged | None = None, student: Judged | None = None) -> SetMetrics:
    """Set one model's figures beside the teacher's and the full student's.

    Raises:
        ValueError: the rows were judged by different metrics, examples or resamples.
    """
    for other in (teacher, student):
        if other is not None and (other.metric, other.examples) != (row.metric, row.examples):
            raise ValueError(
                f"{row.metric} on {row.examples} examples cannot be compared with {other.metric} on {other.examples}"
            )
    difference = None
    if teacher is not None and teacher is not row:
        gain = paired_difference(row.samples, teacher.samples)
        difference = Difference(mean=gain.mean, ci95=(gain.low, gain.high), p=gain.share_not_above)
    return SetMetrics.model_validate(
        {
            "metric": row.metric,
            "examples": row.examples,
            **row.values,
            "classes": row.classes,
            "texts": row.texts,
            "ci95": percentile_interval(row.samples),
            "of_teacher": _ratio(row, teacher),
            "of_student": _ratio(row, student),
            "difference_to_teacher": difference,
        }
    )


def evaluate(
    examples: Examples,
    predictions: Mapping[str, FloatArray],
    *,
    dev_predictions: Mapping[str, FloatArray] | None = None,
    teacher: str | None = None,
    student: str | None = None,
) -> dict[str, SetMetrics]:
    """Measure every row on one test set, on the same resamples.

    Args:
        predictions: each row's, by the row's name.
        dev_predictions: binary only: each row's scores [dev], by the row's name.
        teacher: name of the row that `of_teacher` and `difference_to_teacher` refer to.
        student: name of the row that `of_student` refers to.

    Raises:
        ValueError: as `judge`, or a named teacher or student has no predictions.
    """
    for role, name in (("teacher", teacher), ("student", student)):
        if name is not None and name not in predictions:
            raise ValueError(f"{role} {name!r} has no predictions; {', '.join(predictions)} have")
    dev = dev_predictions or {}
    judged = {name: examples.judge(scores, dev.get(name)) for name, scores in predictions.items()}
    teacher_row = judged[teacher] if teacher is not None else None
    student_row = judged[student] if student is not None else None
    return {name: compare(row, teacher_row, student_row) for name, row in judged.items()}


def class_figures(logits: FloatArray, labels: NDArray[np.integer]) -> tuple[ClassFigures, ...]:
    """Precision, recall and F1 of each class, from logits [n, classes] and class indices [n]."""
    predicted = logits.argmax(1)
    return tuple(
        ClassFigures(
            precision=precision(predicted, labels, index), recall=recall(predicted, labels, index),
            f1=f1(predicted, labels, index), examples=int(np.sum(labels == index)),
        )
        for index in range(logits.shape[1])
    )  # fmt: skip


Measured = tuple[dict[str, float], weighted.Statistic]


def _regression(labels: FloatArray, predictions: FloatArray, metric: MainMetric) -> Measured:
    values = {"spearman": spearman(predictions, labels), "pearson": pearson(predictions, labels)}
    statistic = weighted.weighted_spearman if metric == "spearman" else weighted.weighted_pearson
    return values, statistic(predictions, labels)


def _binary(
    labels: NDArray[np.integer], scores: FloatArray, dev: DevScores | float | None, metric: MainMetric
) -> Measured:
    if dev is None:
        raise ValueError("binary needs development scores: a threshold is never chosen on the test set")
    wanted: Literal["f1", "accuracy"] = "accuracy" if metric == "accuracy" else "f1"
    threshold = best_threshold(*dev, metric=wanted) if isinstance(dev, DevScores) else dev
    predicted = (scores >= threshold).astype(np.int64)
    values = {
        "f1": f1(predicted, labels),
        "accuracy": accuracy(predicted, labels),
        "average_precision": average_precision(scores, labels),
        "precision": precision(predicted, labels),
        "recall": recall(predicted, labels),
        "threshold": threshold,
    }
    if metric == "average_precision":
        return values, weighted.weighted_average_precision(scores, labels)
    statistic = weighted.weighted_f1 if metric == "f1" else weighted.weighted_accuracy
    return values, statistic(predicted, labels)


def _multiclass(labels: NDArray[np.integer], logits: FloatArray, metric: MainMetric) -> Measured:
    if logits.ndim != 2 or len(logits) != len(labels):
        raise ValueError(f"multiclass logits must be [{len(labels)}, classes], got {list(logits.shape)}")
    predicted = logits.argmax(1)
    values = {"accuracy": accuracy(predicted, labels), "macro_f1": macro_f1(predicted, labels)}
    statistic = weighted.weighted_accuracy if metric == "accuracy" else weighted.weighted_macro_f1
    return values, statistic(predicted, labels)


def _ratio(row: Judged, reference: Judged | None) -> float | None:
    """Share of a reference's figure that a row keeps; None where the reference has none or not above 0."""
    return row.value / reference.value if reference is not None and reference.value > 0 else None
