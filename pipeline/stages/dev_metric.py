"""What predictions are judged by: the metric on dev, which is the report's main one, and the labels it takes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from pipeline.measure.agreement import sides_of
from pipeline.measure.classification import accuracy, average_precision, best_threshold, f1, macro_f1
from pipeline.measure.correlation import pearson, spearman
from pipeline.measure.evaluate import MAIN_METRICS, Examples
from pipeline.measure.set_metrics import MainMetric, TaskName
from pipeline.recipe.recipe import Recipe
from pipeline.texts.load import Split, Texts
from teachers.cross_encoders.cross_folder import Activation
from teachers.cross_encoders.fine_tune import TaskKind

Array = NDArray[np.float32]


def dev_metric(kind: TaskKind, labels: Array, metric: MainMetric | None = None) -> Callable[[Array], float]:
    """Predictions on dev → the metric, higher is better; a binary threshold is the best one on dev itself.

    Args:
        labels: float32 [dev], 0..1 or class numbers.
        metric: one of the task's; None for its first.
    """
    name = metric or MAIN_METRICS[kind][0]
    if kind == "regression":
        measure = spearman if name == "spearman" else pearson
        return lambda scores: measure(np.asarray(scores, np.float64), labels.astype(np.float64))
    classes = labels.astype(np.int64)
    if kind == "multiclass":
        count = accuracy if name == "accuracy" else macro_f1
        return lambda logits: count(logits.argmax(axis=1), classes)

    if name == "average_precision":
        return lambda scores: average_precision(scores, classes)

    def binary(scores: Array) -> float:
        wanted: Literal["f1", "accuracy"] = "accuracy" if name == "accuracy" else "f1"
        predicted = (scores >= best_threshold(scores, classes, metric=wanted)).astype(np.int64)
        return accuracy(predicted, classes) if wanted == "accuracy" else f1(predicted, classes)

    return binary


def on_own_scale(scores: Array, kind: TaskName, activation: Activation) -> Array:
    """A regression's scores on the scale that its cross-encoder was trained on; of other tasks the raw ones are read.

    Args:
        scores: raw, float32 [pairs].
        activation: as the cross-encoder's folder states it.
    """
    return expit(scores) if kind == "regression" and activation == "sigmoid" else scores


def examples_of(recipe: Recipe, texts: Texts) -> Examples:
    """The test set and how every model is judged on it; of agreement, over its texts and not its pairs."""
    kind = recipe.texts.task.of_pairs
    return Examples(
        kind, label_values(kind, texts.test), texts.dev.labels.astype(np.int64) if kind == "binary" else None,
        recipe.measure.metric, recipe.measure.resamples, recipe.seed,
        sides_of(texts.test.pairs)[1] if recipe.without_labels else None,
    )  # fmt: skip


def label_values(kind: TaskKind, split: Split) -> NDArray[np.float32] | NDArray[np.int64]:
    """Labels of a split as the metrics take them, [pairs]: floats of a regression, else class numbers."""
    return split.labels if kind == "regression" else split.labels.astype(np.int64)
