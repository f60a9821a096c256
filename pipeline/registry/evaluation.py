"""The day's evaluation data, of every kind of task: what is read, and how an artifact is judged on it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from decant.errors import InputError
from decant.files import sha256_of
from decant.models.prompts import prompted_pairs
from decant.progress import unwatched
from export.artifact.manifest import COMPARATOR, read_manifest
from export.serve.snippets import Threshold
from pipeline.measure.artifact_scores import checked_scores, pair_logits, score_pairs
from pipeline.measure.bootstrap import bootstrap
from pipeline.measure.evaluate import DevScores, MetricName, judge
from pipeline.measure.retrieval import ndcg, read_beir, retrieve
from pipeline.measure.weighted import weighted_mean
from pipeline.registry.settings import PromotionSettings
from pipeline.suite.judge_set import DOCUMENT_PROMPTS, QUERY_PROMPTS, judge_set
from pipeline.suite.read_sets import beir_files, read_sets, sets_digest
from pipeline.suite.settings import main_metric
from pipeline.suite.suite_file import read_suite
from pipeline.texts.labelled_pairs import read_classes, read_labelled
from pipeline.texts.settings import Task

if TYPE_CHECKING:
    from export.serve.open_encoder import Session
    from teachers.cross_encoders.fine_tune import TaskKind

RANKS = 10  # of nDCG@10
Labels = NDArray[np.float64] | NDArray[np.int64]


class Figures(NamedTuple):
    """One artifact's accuracy, a fraction, and that of each bootstrap resample, [resamples]."""

    value: float
    samples: NDArray[np.float64]


@dataclass(frozen=True)
class Evaluation:
    """What is measured on, read once for both artifacts."""

    name: str
    sha256: str
    examples: int
    """Pairs, or queries of a retrieval set."""
    metric: str
    """What accuracy is."""
    counted: str
    """What the examples are: pairs, queries or examples."""
    texts: list[str]
    """Each once: what speed is measured on."""
    judge: Callable[[Session, Path], Figures]
    """An artifact's encoder and folder → its figures, on the same resamples for every artifact.

    Raises GateError for scores that are not finite, InputError for an artifact of another task.
    """


def evaluation_of(file: Path, settings: PromotionSettings, threads: int) -> Evaluation:
    """Read the day's data.

    Args:
        file: of labelled pairs; for retrieval a folder in BEIR's layout; for a named set a suite file.
        settings: task, metric, columns, resamples.
        threads: of a comparator.

    Raises:
        InputError: it cannot be read, or a label is none of the task.
    """
    if settings.set is not None:
        return _named(file, settings.set, settings)
    if settings.task == "retrieval":
        return _retrieval(file, settings)
    task: TaskKind = settings.task or "regression"
    pairs, labels, name = _labelled(file, settings)
    dev = _labelled(Path(settings.dev), settings) if settings.dev is not None else None

    def judged(encoder: Session, folder: Path) -> Figures:
        scores = _scores(encoder, folder, pairs, settings, threads)
        chosen: DevScores | float | None = None
        if settings.task == "binary" and dev is not None:
            chosen = DevScores(_scores(encoder, folder, dev[0], settings, threads), dev[1].astype(np.int64))
        elif settings.task == "binary":
            chosen = _stated_threshold(folder)
        metric = cast(MetricName, settings.measured)
        found = judge(task, labels, scores, chosen, metric=metric, resamples=settings.resamples)
        return Figures(found.value, found.samples)

    texts = list(dict.fromkeys(text for pair in pairs for text in pair))
    return Evaluation(Path(name).name, sha256_of(file), len(pairs), settings.measured, "pairs", texts, judged)


def _labelled(file: Path, settings: PromotionSettings) -> tuple[list[tuple[str, str]], Labels, str]:
    """Pairs, labels [pairs] as `judge` takes them, and the file's name."""
    columns = settings.columns
    if settings.task not in ("binary", "multiclass"):
        return read_labelled(file, columns.first, columns.second, columns.label, settings.quoting)
    task = Task(kind=settings.task, classes=settings.classes)
    return read_classes(file, (columns.first, columns.second, columns.label), task, settings.quoting)


def _scores(
    encoder: Session, folder: Path, pairs: Sequence[tuple[str, str]], settings: PromotionSettings, threads: int
) -> NDArray[np.float32]:
    """Scores [pairs], or logits [pairs, classes] of a multi-class task, all finite."""
    given = prompted_pairs(pairs, encoder.prompts, settings.columns.first_prompt, settings.columns.second_prompt)
    classes = len(settings.classes) if settings.task == "multiclass" else 0
    way = pair_logits if classes else score_pairs
    return checked_scores(folder, way(encoder, folder, given, threads), classes)


def _stated_threshold(folder: Path) -> float:
    """The threshold that the run chose on its development pairs, as decant.json states it."""
    stated = Threshold.stated(read_manifest(folder).metrics)
    if stated is None:
        raise InputError(
            f"{folder}: decant.json states no threshold of a binary task; give pairs to choose one on: dev"
        )
    return stated.score


def _retrieval(folder: Path, settings: PromotionSettings) -> Evaluation:
    """nDCG@10 of exact search by dot product, bootstrapped over the queries."""
    found = read_beir(folder)

    def judged(encoder: Session, artifact: Path) -> Figures:
        _check_vectors(artifact, "retrieval is judged by its vectors' dot products")
        queries, documents = (
            encoder.encode(some, prompt=next((name for name in names if name in encoder.prompts.texts), None))
            for some, names in ((found.queries, QUERY_PROMPTS), (found.documents, DOCUMENT_PROMPTS))
        )
        ranking = retrieve(queries, documents, RANKS)
        values = ndcg(ranking, found.relevance, RANKS)
        samples = bootstrap(weighted_mean(values), len(values), resamples=settings.resamples)
        return Figures(float(values.mean()), samples)

    digests = "".join(sha256_of(folder / name) for name in beir_files("test"))
    digest, texts = (
        hashlib.sha256(digests.encode()).hexdigest(),
        list(dict.fromkeys((*found.queries, *found.documents))),
    )
    return Evaluation(folder.name, digest, len(found.queries), settings.measured, "queries", texts, judged)


def _named(file: Path, name: str, settings: PromotionSettings) -> Evaluation:
    """A set of a suite file, judged as `decant eval --sets` does."""
    sets = read_suite(file)
    if name not in sets:
        raise InputError(f"set {name}: {file} has none of this name; there is {', '.join(sets)}")
    wanted = {name: sets[name]}
    (found,) = read_sets(wanted, file.parent)

    def judged(encoder: Session, artifact: Path) -> Figures:
        _check_vectors(artifact, "a named set is judged by its vectors")
        with unwatched("", 0) as advance:
            one = judge_set(found, encoder, settings.resamples, 0, advance)
        return Figures(one.value, one.samples)

    digest = sets_digest(wanted, file.parent)[name]
    return Evaluation(
        f"{file.name}: {name}", digest, found.examples, main_metric(found.settings), found.counted,
        list(dict.fromkeys(text for column in found.columns for text in column)), judged,
    )  # fmt: skip


def _check_vectors(artifact: Path, why: str) -> None:
    if (artifact / COMPARATOR).is_file():
        raise InputError(f"{artifact} compares by a comparator; {why}")
