"""The sets of a suite as they are measured: read whole and checked, before any model is loaded."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from decant.errors import InputError
from decant.files import expand_user, sha256_of
from pipeline.measure.probe import check_folds, class_numbers
from pipeline.measure.retrieval import RetrievalSet, read_beir
from pipeline.suite.settings import ClassSet, NamedSet, PairSet, RankingSet
from pipeline.texts.numbers import label_number
from pipeline.texts.parse_label import parse_label
from pipeline.texts.settings import Task
from pipeline.texts.source import DATA_VARIABLE, Source, data_folder, read_rows, source_digest


@dataclass(frozen=True)
class Examples:
    """Texts, a tuple a column, and their labels [examples]: numbers, or class numbers; the first `fitted` are train."""

    texts: tuple[tuple[str, ...], ...]
    labels: NDArray[np.float64] | NDArray[np.int64]
    fitted: int = 0


@dataclass(frozen=True)
class LoadedSet:
    """One set of a suite."""

    name: str
    settings: NamedSet
    content: Examples | RetrievalSet

    @property
    def columns(self) -> tuple[tuple[str, ...], ...]:
        """All texts that a model reads: documents and queries, or those of each column."""
        if isinstance(self.content, RetrievalSet):
            return self.content.documents, self.content.queries
        return self.content.texts

    @property
    def examples(self) -> int:
        """How many are judged: pairs, queries, or texts with a class."""
        if isinstance(self.content, RetrievalSet):
            return len(self.content.queries)
        return len(self.content.labels) - self.content.fitted

    @property
    def counted(self) -> str:
        """What the examples are."""
        return {"pairs": "pairs", "ranking": "queries", "classes": "examples"}[self.settings.kind]

    @property
    def texts(self) -> int:
        """How many a model embeds: of documents and of queries each once, else distinct ones."""
        if isinstance(self.content, RetrievalSet):
            return sum(len(set(column)) for column in self.columns)
        return len({text for column in self.columns for text in column})

    @property
    def characters(self) -> int:
        """Of all texts that a model embeds."""
        return sum(len(text) for text in {text for column in self.columns for text in column})

    @property
    def notes(self) -> list[str]:
        """What is odd of its data, a sentence each."""
        if not isinstance(self.content, RetrievalSet):
            return []
        return doubled_notes(self.name, self.content.documents)


def doubled_notes(name: str, documents: Sequence[str]) -> list[str]:
    """A sentence on the documents of a ranking that have the text of another; none where there are none."""
    doubled = sum(count - 1 for count in Counter(documents).values())
    said = f"{name}: {doubled:,} of its {len(documents):,} documents repeat another word for word"
    return [f"{said}; each counts, and of equal ones the first is found first."] if doubled else []


def read_sets(sets: Mapping[str, NamedSet], base: Path) -> list[LoadedSet]:
    """All sets, in their order.

    Args:
        base: the folder that relative paths start from.

    Raises:
        InputError: all that cannot be used, a line each with the set's name.
    """
    found, errors = [], list[str]()
    for name, settings in sets.items():
        try:
            found.append(LoadedSet(name, settings, _read(settings, base)))
        except InputError as error:
            errors += [f"{name}: {line}" for line in str(error).splitlines()]
    if errors:
        raise InputError(*errors)
    return found


def set_sources(settings: NamedSet) -> dict[str, tuple[Source, tuple[str, ...]]]:
    """The sources that a set's rows come from, by its keys, with the columns that are read."""
    if isinstance(settings, PairSet):
        return {"source": (settings.source, (settings.first, settings.second, settings.label))}
    if isinstance(settings, ClassSet):
        columns = (*settings.columns, settings.label)
        train = {"train": (settings.train, columns)} if settings.train is not None else {}
        return {"source": (settings.source, columns), **train}
    return {}


def ranking_folder(settings: RankingSet, base: Path) -> Path:
    """The folder of a ranking set.

    Raises:
        InputError: it is not there.
    """
    if settings.path is not None:
        folder = base / expand_user(settings.path)
        missing = f"{folder}: no such folder"
    else:
        root = data_folder()
        where = f"set {DATA_VARIABLE} to the folder that holds it" if root is None else f"{root} has no such folder"
        folder, missing = (root or Path()) / str(settings.data), f"data: {settings.data} is not there; {where}"
    if (settings.data is not None and data_folder() is None) or not folder.is_dir():
        raise InputError(missing)
    return folder


def sets_digest(sets: Mapping[str, NamedSet], base: Path) -> dict[str, str]:
    """Of each set a digest of its settings and of all files that it is read from.

    Raises:
        InputError: a file or folder is not there.
    """
    digests = {}
    for name, settings in sets.items():
        parts = [settings.model_dump_json()]
        if isinstance(settings, RankingSet):
            folder = ranking_folder(settings, base)
            parts += [sha256_of(folder / file) for file in beir_files(settings.split)]
        parts += [source_digest(source, base) for source, _ in set_sources(settings).values()]
        digests[name] = hashlib.sha256("\n".join(parts).encode()).hexdigest()
    return digests


def beir_files(split: str) -> tuple[str, str, str]:
    """What a ranking set is read from, under its folder."""
    return "corpus.jsonl", "queries.jsonl", f"qrels/{split}.tsv"


def _read(settings: NamedSet, base: Path) -> Examples | RetrievalSet:
    if isinstance(settings, RankingSet):
        return _relevant(read_beir(ranking_folder(settings, base), settings.split), settings)
    if isinstance(settings, PairSet):
        return _pairs(settings, base)
    return _classes(settings, base)


def _relevant(found: RetrievalSet, settings: RankingSet) -> RetrievalSet:
    if not any(grade > 0 for grades in found.relevance for grade in grades.values()):
        raise InputError(f"qrels/{settings.split}.tsv finds no document relevant; a score above 0 is needed")
    return found


def _pairs(settings: PairSet, base: Path) -> Examples:
    columns = (settings.first, settings.second)
    texts, written, name = _columns(settings.source, columns, settings.label, base)
    if settings.task == "regression":
        labels = np.array([label_number(one, name, row) for row, one in enumerate(written, start=1)])
    else:
        task = Task(kind="binary", classes=settings.classes)
        parsed = [parse_label(one, task) for one in written]
        wrong = next((row for row, one in enumerate(parsed) if isinstance(one, str)), None)
        if wrong is not None:
            raise InputError(
                f"{name}, row {wrong + 1}: the label {written[wrong]!r} is none of {', '.join(task.names)}"
            )
        labels = np.array(parsed).astype(np.int64)
    if len(np.unique(labels)) < 2:
        raise InputError(f"{name}: every label is the same, so nothing can be measured")
    return Examples(texts, labels)


def _classes(settings: ClassSet, base: Path) -> Examples:
    texts, written, name = _columns(settings.source, settings.columns, settings.label, base)
    if settings.train is None:
        numbers = _numbered(written, name)
        check_folds(numbers, settings.probe)
        return Examples(texts, numbers)
    fitted, labels, train_name = _columns(settings.train, settings.columns, settings.label, base)
    drawn = np.sort(np.random.default_rng(settings.probe.seed).permutation(len(labels))[: settings.train_rows])
    labels = [labels[row] for row in drawn]
    class_numbers(_stated(labels, train_name))
    both = tuple((*(some[row] for row in drawn), *own) for some, own in zip(fitted, texts, strict=True))
    return Examples(both, _numbered([*labels, *written], name), len(drawn))


def _numbered(written: Sequence[str | None], name: str) -> NDArray[np.int64]:
    return class_numbers(_stated(written, name)).astype(np.int64)


def _stated(written: Sequence[str | None], name: str) -> list[str]:
    empty = next((row for row, one in enumerate(written, start=1) if one is None or not one.strip()), None)
    if empty is not None:
        raise InputError(f"{name}, row {empty} has no label")
    return [str(one).strip() for one in written]


def _columns(
    source: Source, columns: Sequence[str], label: str, base: Path
) -> tuple[tuple[tuple[str, ...], ...], list[str | None], str]:
    """The texts, a tuple a column, the labels as they are written, and the file's name."""
    rows, name = read_rows(source, base, (*columns, label))
    for number, row in enumerate(rows, start=1):
        if any(not (row[column] or "").strip() for column in columns):
            raise InputError(f"{name}, row {number} has an empty text")
    return (
        tuple(tuple(str(row[column]).strip() for row in rows) for column in columns),
        [row[label] for row in rows],
        name,
    )
