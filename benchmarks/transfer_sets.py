"""The sets of transfer.py: how each is read, and what is measured on it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from decant.errors import InputError
from pipeline.measure.correlation import spearman
from pipeline.measure.probe import (
    ProbeSettings,
    class_numbers,
    cosine_average_precision,
    cross_validated_probe,
    pair_features,
    probe,
)
from pipeline.measure.retrieval import RetrievalSet, ndcg, read_beir, retrieve
from pipeline.texts.numbers import label_number
from pipeline.texts.source import Source, read_rows

Vectors = NDArray[np.float32]
Encode = Callable[[Sequence[str]], Vectors]
Kind = Literal["sts", "pairs", "texts", "retrieval"]

SETS: dict[str, Kind] = {
    "stsb": "sts", "mrpc": "pairs", "sst2": "texts", "trec": "texts", "subj": "texts", "cr": "texts",
    "cranfield": "retrieval", "mr": "texts", "mpqa": "texts", "limit-small": "retrieval",
}  # fmt: skip
METRICS: dict[Kind, str] = {"sts": "spearman", "pairs": "accuracy", "texts": "accuracy", "retrieval": "ndcg@10"}
COSINE_AP = "cosine_average_precision"
MOST_ROWS = {("sst2", "train"): 10_000}
K = 10
PROBE = ProbeSettings()


@dataclass(frozen=True)
class Rows:
    """One part of a set: its texts, a tuple a column, and a label a row."""

    texts: tuple[tuple[str, ...], ...]
    labels: tuple[str, ...]


@dataclass(frozen=True)
class TransferSet:
    """A set as it is measured; without `train` it is cross-validated, or needs no training."""

    name: str
    kind: Kind
    test: Rows | RetrievalSet
    train: Rows | None = None

    @property
    def metric(self) -> str:
        """Name of the main figure."""
        return METRICS[self.kind]

    @property
    def texts(self) -> list[str]:
        """Every text, of all parts."""
        if isinstance(self.test, RetrievalSet):
            return [*self.test.documents, *self.test.queries]
        return [text for part in (self.train, self.test) if part for column in part.texts for text in column]


def read_set(folder: Path, name: str, limit: int | None = None) -> TransferSet:
    """A set from the folder of its name, cut to `limit` rows a part where that is given.

    Raises:
        InputError: a file is missing or damaged.
    """
    kind = SETS[name]
    if kind == "retrieval":
        return TransferSet(name, kind, _few(read_beir(folder / name), limit))
    columns = ("text",) if kind == "texts" else ("sentence1", "sentence2")
    whole = (folder / name / "all.tsv").is_file()
    test = _read_part(folder, name, "all" if whole else "test", columns, limit)
    train = None if whole or kind == "sts" else _read_part(folder, name, "train", columns, limit)
    return TransferSet(name, kind, test, train)


def measure_set(one: TransferSet, encode: Encode) -> dict[str, float]:
    """Figures of one set by name, fractions, the main one first.

    Args:
        encode: texts → unit vectors.
    """
    if isinstance(one.test, RetrievalSet):
        ranking = retrieve(encode(one.test.queries), encode(one.test.documents), K)
        return {one.metric: float(ndcg(ranking, one.test.relevance, K).mean())}
    sides = [encode(column) for column in one.test.texts]
    if one.kind == "sts":
        return {one.metric: spearman((sides[0] * sides[1]).sum(axis=1), _numbers(one.name, one.test.labels))}
    try:
        return _classified(one, one.test, sides, encode)
    except InputError as error:
        raise InputError(f"{one.name}: {error}") from error


def _classified(one: TransferSet, test: Rows, sides: list[Vectors], encode: Encode) -> dict[str, float]:
    train_labels = () if one.train is None else one.train.labels
    train_classes, classes = np.split(class_numbers((*train_labels, *test.labels)), [len(train_labels)])
    if one.train is None:
        figures = {one.metric: cross_validated_probe(_features(sides), classes, PROBE)}
    else:
        fitted = _features([encode(column) for column in one.train.texts])
        figures = {one.metric: probe(fitted, train_classes, _features(sides), classes, PROBE)}
    if one.kind == "pairs":
        figures[COSINE_AP] = cosine_average_precision(sides[0], sides[1], classes)
    return figures


def _features(sides: list[Vectors]) -> Vectors:
    return sides[0] if len(sides) == 1 else pair_features(sides[0], sides[1])


def _numbers(name: str, labels: tuple[str, ...]) -> NDArray[np.float64]:
    return np.array([label_number(label, f"{name}, test part", row) for row, label in enumerate(labels, start=1)])


def _read_part(folder: Path, name: str, part: str, columns: tuple[str, ...], limit: int | None) -> Rows:
    rows, _ = read_rows(Source(path=f"{name}/{part}.tsv"), folder, (*columns, "label"))
    most = min(limit or len(rows), MOST_ROWS.get((name, part), len(rows)))
    chosen = np.sort(np.random.default_rng(PROBE.seed).permutation(len(rows))[:most])
    texts = tuple(tuple(rows[row][column] or "" for row in chosen) for column in columns)
    return Rows(texts, tuple(rows[row]["label"] or "" for row in chosen))


def _few(search: RetrievalSet, limit: int | None) -> RetrievalSet:
    """The first queries, and of the documents those that they judge."""
    if limit is None:
        return search
    relevance = search.relevance[:limit]
    kept = sorted({document for grades in relevance for document in grades})
    number = {document: index for index, document in enumerate(kept)}
    return RetrievalSet(
        documents=tuple(search.documents[document] for document in kept),
        queries=search.queries[:limit],
        relevance=tuple({number[document]: grade for document, grade in grades.items()} for grades in relevance),
    )
