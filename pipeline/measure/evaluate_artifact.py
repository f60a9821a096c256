"""An artifact on a file of labelled pairs: the figures that a run's report has, of every task."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue, ValidationError

from decant.errors import InputError
from decant.files import read_object
from decant.models.folder_files import CONFIG
from export.artifact.manifest import is_reranker, verify_artifact
from export.serve.open_encoder import open_on_cpu
from export.serve.snippets import Threshold
from pipeline.measure.artifact_scores import checked_scores, given_pairs, pair_logits, reranker_scores, score_pairs
from pipeline.measure.bootstrap import RESAMPLES
from pipeline.measure.evaluate import DevScores, compare, judge
from pipeline.measure.set_metrics import MAIN_METRICS, MetricName
from pipeline.texts.labelled_pairs import read_classes, read_labelled
from pipeline.texts.quoting import Quoting
from pipeline.texts.settings import Task

if TYPE_CHECKING:
    from teachers.cross_encoders.fine_tune import TaskKind

SAME_PAIRS = "the same pairs"
Pairs = list[tuple[str, str]]
Labels = NDArray[np.float64] | NDArray[np.int64]


@dataclass(frozen=True)
class Stated:
    """What an artifact's decant.json says of the task that it was measured on; None: nothing.

    Args:
        kind: of the task, as the names of its figures tell.
        metric: the main one.
        threshold: of a binary task.
        classes: in the artifact's order.
        reranker: it scores pairs of texts, not vectors.
        sigmoid: a re-ranker's scores were trained under one.
    """

    kind: TaskKind | None
    metric: MetricName | None
    threshold: float | None
    classes: tuple[str, ...]
    reranker: bool = False
    sigmoid: bool = False


@dataclass(frozen=True)
class Asked:
    """What the caller says of the task; what is not said is as decant.json states it.

    Args:
        task: what the labels mean; where decant.json does not tell either, by the number of classes.
        classes: as the file writes them, in the artifact's order; of two the second is positive.
        dev: pairs to choose a binary threshold on.
        resamples: of the bootstrap.
    """

    task: TaskKind | None = None
    classes: tuple[str, ...] = ()
    dev: Path | None = None
    resamples: int = RESAMPLES


@dataclass(frozen=True)
class Reading:
    """How the pairs are read and scored.

    Args:
        columns: names of the first text, the second text and the label.
        prompts: names of either side's; None: the default one.
        quoting: of a .tsv or .csv file; default: found out.
        threads: of the artifact's graphs.
    """

    columns: tuple[str, str, str] = ("sentence1", "sentence2", "label")
    prompts: tuple[str | None, str | None] = (None, None)
    quoting: Quoting | None = None
    threads: int | None = None


def evaluate_artifact(
    folder: Path, file: Path, reading: Reading | None = None, asked: Asked | None = None
) -> dict[str, Any]:
    """An artifact's figures on a file of labelled pairs, as the report's functions give them, ready for JSON.

    A binary threshold is chosen on `asked.dev`; without it, it is the one that decant.json states, else the best one
    on these same pairs, which `threshold_from` says.

    Args:
        folder: of a sentence encoder or a re-ranker.
        file: of labelled pairs.
        reading: default: the usual columns, and what the artifact says.
        asked: default: all as decant.json states it.

    Raises:
        InputError: the artifact is not as exported or not of this task, or a row of a file cannot be used.
        GateError: some scores are not finite.
    """
    reading, asked = reading or Reading(), asked or Asked()
    stated = read_stated(folder)
    task = asked_task(folder, stated, asked)
    pairs, labels, name = _read(file, task, reading)
    scores = _scores(folder, pairs, task, stated, reading)
    chosen: DevScores | float | None = None
    found: dict[str, Any] = {"artifact": str(folder), "file": name, "pairs": len(pairs), "task": task.kind}
    if task.kind == "binary" and asked.dev is not None:
        dev, dev_labels, dev_name = _read(asked.dev, task, reading)
        chosen = DevScores(_scores(folder, dev, task, stated, reading), dev_labels.astype(np.int64))
        found["threshold_from"] = dev_name
    elif task.kind == "binary":
        chosen = stated.threshold
        found["threshold_from"] = "decant.json" if chosen is not None else SAME_PAIRS
        chosen = chosen if chosen is not None else DevScores(scores, labels.astype(np.int64))
    metric = stated.metric if stated.metric in MAIN_METRICS[task.of_pairs] else None
    figures = compare(judge(task.of_pairs, labels, scores, chosen, metric=metric, resamples=asked.resamples))
    found |= figures.model_dump(mode="json", exclude={"examples", "of_teacher", "of_student"})
    if figures.classes is not None:
        each = zip(task.names, found["classes"], strict=True)
        found["classes"] = [{"name": class_name, **one} for class_name, one in each]
    return found


def read_stated(folder: Path) -> Stated:
    """What a sound artifact says of its task.

    Raises:
        InputError: the folder is not as it was exported.
    """
    if is_reranker(folder):
        from export.artifact.reranker_folder import verify_reranker
        from teachers.cross_encoders.class_names import stated_names

        manifest = verify_reranker(folder)
        config = folder / CONFIG
        names = stated_names(config, read_object(config), manifest.outputs)
        several = names if names is not None and len(names) > 1 else ()
        return _stated(manifest.metrics, several, reranker=True, sigmoid=manifest.activation == "sigmoid")
    encoder = verify_artifact(folder)
    return _stated(encoder.metrics, encoder.classes)


def asked_task(folder: Path, stated: Stated, asked: Asked) -> Task:
    """The task that is judged.

    Raises:
        InputError: classes are missing, do not go with it, or are not those that the artifact states.
    """
    by_classes: TaskKind = "regression" if not asked.classes else "binary" if len(asked.classes) == 2 else "multiclass"
    kind = asked.task or stated.kind or by_classes
    classes = asked.classes or (stated.classes if kind != "regression" else ())
    if kind == stated.kind and stated.classes and classes != stated.classes:
        raise InputError(
            f"--classes: {folder} tells {', '.join(stated.classes)} apart, in this order; give these, or leave it out"
        )
    if kind == "multiclass" and not classes:
        raise InputError(f"{folder}: decant.json names no classes; give them in the artifact's order: --classes A,B,C")
    if asked.dev is not None and kind != "binary":
        raise InputError(f"--dev: a threshold is chosen on it, which {kind} has none of; leave it out")
    try:
        return Task(kind=kind, classes=classes)
    except ValidationError as error:
        raise InputError(f"--classes: {error.errors()[0]['msg'].removeprefix('Value error, ')}") from error


def _stated(
    metrics: dict[str, JsonValue], classes: tuple[str, ...], *, reranker: bool = False, sigmoid: bool = False
) -> Stated:
    figures = next((one for one in metrics.values() if isinstance(one, dict)), {})
    kind: TaskKind | None = None
    if "macro_f1" in figures:
        kind = "multiclass"
    elif "average_precision" in figures or "threshold" in figures:
        kind = "binary"
    elif "spearman" in figures:
        kind = "regression"
    metric = cast(MetricName, figures.get("metric")) if kind is not None else None
    threshold = Threshold.stated(metrics)
    return Stated(kind, metric, threshold.score if threshold else None, classes, reranker, sigmoid)


def _read(file: Path, task: Task, reading: Reading) -> tuple[Pairs, Labels, str]:
    if task.kind == "regression":
        return read_labelled(file, *reading.columns, reading.quoting)
    return read_classes(file, reading.columns, task, reading.quoting)


def _scores(folder: Path, pairs: Pairs, task: Task, stated: Stated, reading: Reading) -> NDArray[np.float32]:
    """Scores [pairs], or logits [pairs, classes] of a multi-class task."""
    classes = len(task.classes) if task.kind == "multiclass" else 0
    if stated.reranker:
        if reading.prompts != (None, None):
            raise InputError(
                f"{folder} is a re-ranker, which has no prompts by name; leave --first-prompt and --second-prompt out"
            )
        on_scale = stated.sigmoid and task.kind == "regression"
        scores = reranker_scores(folder, pairs, classes=classes, on_scale=on_scale, threads=reading.threads)
        return checked_scores(folder, scores, classes)
    encoder = open_on_cpu(folder, reading.threads)
    way = pair_logits if classes else score_pairs
    return checked_scores(
        folder, way(encoder, folder, given_pairs(encoder, pairs, reading.prompts), reading.threads), classes
    )
