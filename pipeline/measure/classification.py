"""Accuracy of class predictions, and the threshold that turns a score into one of two classes."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.measure.weighted import weighted_average_precision

FloatArray = NDArray[np.floating]
IntArray = NDArray[np.integer]


def accuracy(predicted: IntArray, labels: IntArray) -> float:
    """Share of classes predicted right, in 0..1.

    Args:
        predicted: [n] class indices.
        labels: [n] class indices.

    Raises:
        ValueError: lengths differ or are 0.
    """
    check_classes(predicted, labels)
    return float(np.mean(predicted == labels))


def f1(predicted: IntArray, labels: IntArray, positive: int = 1) -> float:
    """F1 of one class, 2·TP / (2·TP + FP + FN), in 0..1; 0.0 where the class is neither there nor predicted.

    Arguments and errors as in `accuracy`.
    """
    check_classes(predicted, labels)
    hits = int(np.sum((predicted == positive) & (labels == positive)))
    total = int(np.sum(predicted == positive) + np.sum(labels == positive))
    return 2 * hits / total if total else 0.0


def precision(predicted: IntArray, labels: IntArray, positive: int = 1) -> float:
    """Share of what is predicted as one class that is of it, in 0..1; 0.0 where nothing is. Arguments as in `f1`."""
    check_classes(predicted, labels)
    found = predicted == positive
    return float(np.mean(labels[found] == positive)) if found.any() else 0.0


def recall(predicted: IntArray, labels: IntArray, positive: int = 1) -> float:
    """Share of one class that is predicted as it, in 0..1; 0.0 where the class is not there. Arguments as in `f1`."""
    return precision(labels, predicted, positive)


def macro_f1(predicted: IntArray, labels: IntArray) -> float:
    """Unweighted mean of `f1` over every class that is labelled or predicted; arguments as in `accuracy`."""
    check_classes(predicted, labels)
    classes = np.union1d(predicted, labels)
    return float(np.mean([f1(predicted, labels, int(index)) for index in classes]))


def average_precision(scores: FloatArray, labels: IntArray) -> float:
    """Area under precision over recall as a step function (Σ (R_n − R_{n−1}) P_n), in 0..1.

    Args:
        scores: [n], larger means class 1.
        labels: [n], 0 or 1.

    Raises:
        ValueError: lengths differ or are 0, or no label is 1.
    """
    check_binary(scores, labels)
    if not np.any(labels == 1):
        raise ValueError("average precision needs at least one label 1")
    return float(weighted_average_precision(scores, labels)(np.ones((1, len(labels))))[0])


def best_threshold(dev_scores: FloatArray, dev_labels: IntArray, metric: Literal["f1", "accuracy"] = "f1") -> float:
    """Choose t such that `score >= t` means class 1 with the best metric on the development split.

    Never call it on test scores: a threshold fitted there flatters the model.

    Args:
        dev_scores: [n], larger means class 1.
        dev_labels: [n], 0 or 1.
        metric: what the threshold makes largest.

    Returns:
        The midpoint between two neighbouring scores, the lowest score where all are positive, or just above
        the highest where none is. Of equally good thresholds the highest.

    Raises:
        ValueError: lengths differ or are 0, or a score is not finite.
    """
    check_binary(dev_scores, dev_labels)
    order = np.argsort(-dev_scores, kind="stable")
    scores = dev_scores[order].astype(np.float64)
    hits = np.concatenate([[0], np.cumsum(dev_labels[order] == 1)])  # [n+1]: hits[k], the k best taken
    taken = np.arange(len(scores) + 1)
    positives = hits[-1]
    if metric == "f1":
        quality = 2 * hits / np.maximum(taken + positives, 1)
    else:
        quality = (hits + (len(scores) - positives) - (taken - hits)) / len(scores)
    # Equal scores fall on one side together: only cuts between different scores can be reached.
    reachable = np.concatenate([[True], scores[1:] != scores[:-1], [True]])
    best = int(np.argmax(np.where(reachable, quality, -1.0)))
    if best == 0:
        return float(np.nextafter(scores[0], np.inf))
    if best == len(scores):
        return float(scores[-1])
    return float((scores[best - 1] + scores[best]) / 2)


def one_score(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """A cross-encoder's logits as metrics take them: z1 − z0, float32 [pairs], where a binary one gives two."""
    return logits[:, 1] - logits[:, 0] if logits.ndim == 2 and logits.shape[1] == 2 else logits


def check_classes(predicted: IntArray, labels: IntArray) -> None:
    """Refuse unequal or empty class arrays.

    Raises:
        ValueError: lengths differ or are 0.
    """
    if predicted.shape != labels.shape or predicted.ndim != 1 or not len(labels):
        raise ValueError(f"predicted {predicted.shape} and labels {labels.shape} must both be [n]")


def check_binary(scores: FloatArray, labels: IntArray) -> None:
    """Refuse scores that do not belong to labels 0 and 1.

    Raises:
        ValueError: lengths differ or are 0, a score is not finite, or a label is neither 0 nor 1.
    """
    if scores.shape != labels.shape or scores.ndim != 1 or not len(labels):
        raise ValueError(f"scores {scores.shape} and labels {labels.shape} must both be [n]")
    if not np.all(np.isfinite(scores)):
        raise ValueError(f"score {int(np.flatnonzero(~np.isfinite(scores))[0])} is not finite")
    if not np.all((labels == 0) | (labels == 1)):
        raise ValueError(f"labels must be 0 or 1, found {sorted(set(labels.tolist()))[:5]}")
