"""Linear probes: what logistic regression reads from frozen vectors, as in SentEval (Conneau & Kiela 2018).

SentEval chooses the strength of the regularisation by a search in every set. Here it is one and the same for every
model and set, and vectors enter at unit length without further scaling: so vectors of every width have one scale,
and no model gains by a luckier search.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from decant.errors import InputError
from pipeline.measure.classification import accuracy, average_precision

Vectors = NDArray[np.float32]
IntArray = NDArray[np.integer]


class ProbeSettings(BaseModel, frozen=True, extra="forbid"):
    """The regression, and the folds of sets that come in one file."""

    c: float = Field(1.0, gt=0, description="inverse strength of the L2 penalty, scikit-learn's C")
    max_iterations: int = Field(1000, ge=1, description="of the L-BFGS solver; it stops earlier once it converges")
    folds: int = Field(10, ge=2, description="parts of a set without a test part; each is the test part once")
    seed: int = Field(0, ge=0, lt=2**32, description="of the shuffle before a set is cut into folds")


def class_numbers(names: Sequence[str]) -> IntArray:
    """Number of each example's class in the sorted names of all classes, int64 [n].

    Raises:
        InputError: fewer than two classes.
    """
    classes = sorted(set(names))
    if len(classes) < 2:
        raise InputError(f"{len(names)} examples have {len(classes)} class ({classes}): a probe needs 2 or more")
    return np.searchsorted(np.array(classes), np.array(names))


def probe(
    train: Vectors, train_labels: IntArray, test: Vectors, test_labels: IntArray, settings: ProbeSettings
) -> float:
    """Accuracy on the test part, 0..1, of what `probed_classes` predicts; arguments and errors as there."""
    return accuracy(probed_classes(train, train_labels, test, test_labels, settings), test_labels)


def probed_classes(
    train: Vectors, train_labels: IntArray, test: Vectors, test_labels: IntArray, settings: ProbeSettings
) -> IntArray:
    """What logistic regression, fitted on the training part, predicts of the test part, class numbers [m].

    Args:
        train: float32 [n, features].
        train_labels: [n], class numbers.
        test: float32 [m, features].
        test_labels: [m], class numbers; one that the training part lacks is never predicted.

    Raises:
        InputError: the training part has one class only.
        ValueError: shapes do not fit, or a vector is not finite.
    """
    for name, features, labels in (("train", train, train_labels), ("test", test, test_labels)):
        _check_examples(name, features, labels)
    if train.shape[1] != test.shape[1]:
        raise ValueError(f"train {train.shape} and test {test.shape} must have equally many features")
    if len(np.unique(train_labels)) < 2:
        raise InputError(f"all {len(train_labels)} training examples are of class {train_labels[0]}; 2 are needed")
    from sklearn.linear_model import LogisticRegression  # of the extra that trains, which reading settings needs not

    regression = LogisticRegression(C=settings.c, max_iter=settings.max_iterations)
    regression.fit(train, train_labels)
    return np.asarray(regression.predict(test))


def cross_validated_probe(vectors: Vectors, labels: IntArray, settings: ProbeSettings) -> float:
    """Accuracy, 0..1, of `cross_validated_classes`; arguments and errors as there."""
    return accuracy(cross_validated_classes(vectors, labels, settings), labels)


def cross_validated_classes(vectors: Vectors, labels: IntArray, settings: ProbeSettings) -> IntArray:
    """The class of every example, [n], as the probe of the folds that it is not in predicts it.

    Folds are stratified and drawn from the seed alone, so they are the same for every model.

    Args:
        vectors: float32 [n, features].
        labels: [n], class numbers.

    Raises:
        InputError: a class has fewer examples than there are folds.
        ValueError: shapes do not fit, or a vector is not finite.
    """
    from sklearn.model_selection import StratifiedKFold

    _check_examples("examples", vectors, labels)
    check_folds(labels, settings)
    folds = StratifiedKFold(settings.folds, shuffle=True, random_state=settings.seed)
    predicted = np.zeros_like(labels)
    for train, test in folds.split(vectors, labels):
        predicted[test] = probed_classes(vectors[train], labels[train], vectors[test], labels[test], settings)
    return predicted


def check_folds(labels: IntArray, settings: ProbeSettings) -> None:
    """Refuse a class that not every fold can have.

    Raises:
        InputError: it has fewer examples than there are folds.
    """
    classes, counts = np.unique(labels, return_counts=True)
    if counts.min() < settings.folds:
        rarest = classes[counts.argmin()]
        raise InputError(
            f"class {rarest} has {counts.min()} examples, fewer than the {settings.folds} folds; give more"
        )


def pair_features(u: Vectors, v: Vectors) -> Vectors:
    """What a probe reads of two sentences, [|u − v|; u ⊙ v] as in SentEval, float32 [pairs, 2·dim].

    Args:
        u: float32 [pairs, dim].
        v: float32 [pairs, dim].

    Raises:
        ValueError: the shapes differ.
    """
    _check_sides(u, v)
    return np.hstack([np.abs(u - v), u * v])


def cosine_average_precision(u: Vectors, v: Vectors, labels: IntArray) -> float:
    """Average precision, 0..1, of the cosine as a sign of class 1: no training, no threshold.

    Args:
        u: unit vectors, float32 [pairs, dim].
        v: unit vectors, float32 [pairs, dim].
        labels: [pairs], 0 or 1.

    Raises:
        ValueError: shapes do not fit, or the labels are others.
    """
    _check_sides(u, v)
    return average_precision((u * v).sum(axis=1), labels)


def _check_examples(name: str, features: Vectors, labels: IntArray) -> None:
    if features.ndim != 2 or labels.shape != features.shape[:1] or not len(labels):
        raise ValueError(f"{name}: features {features.shape} and labels {labels.shape} must be [n, features] and [n]")
    if not np.all(np.isfinite(features)):
        raise ValueError(f"{name}: row {int(np.argmin(np.isfinite(features).all(axis=1)))} is not finite")


def _check_sides(u: Vectors, v: Vectors) -> None:
    if u.shape != v.shape or u.ndim != 2:
        raise ValueError(f"u {u.shape} and v {v.shape} must both be [pairs, dim]")
