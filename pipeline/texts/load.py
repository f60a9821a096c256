"""Rows of the sources → checked splits, every problem named by file and row, counted, refused or dropped."""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline.texts.settings import Action, ProblemKind, Task, TextsSettings
from pipeline.texts.source import Row, Source, read_rows
from teachers.cross_encoder import Pair
from teachers.errors import InputError

SHOWN_PROBLEMS = 5
WORDS: dict[ProblemKind, str] = {
    "encoding": "is not UTF-8",
    "empty": "has an empty text",
    "label": "has a label that cannot be read",
    "label_range": "has a label out of range",
    "duplicate": "repeats an earlier pair",
    "leak": "stands in dev or test too",
}


@dataclass(frozen=True)
class Problem:
    """What is wrong with one row; rows are counted from 1, without the header."""

    kind: ProblemKind
    file: str
    row: int
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.file}, row {self.row} {WORDS[self.kind]}{f' ({self.detail})' if self.detail else ''}"


@dataclass(frozen=True)
class Split:
    """Pairs and labels: float32 [pairs], 0..1 for regression, class numbers else, NaN where there is none."""

    pairs: list[Pair]
    labels: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.pairs)


@dataclass(frozen=True)
class Texts:
    """All splits of a run, and what was dropped on the way."""

    train: Split
    dev: Split
    test: Split
    unlabelled: Split
    label_range: tuple[float, float] | None
    dropped: list[Problem] = field(default_factory=list)

    def dropped_counts(self) -> dict[str, int]:
        """How many rows were dropped, by kind of problem."""
        return dict(Counter(problem.kind for problem in self.dropped))


@dataclass(frozen=True)
class _Read:
    split: Split
    rows: list[int]
    file: str
    problems: list[Problem]


_NOTHING = _Read(Split([], np.zeros(0, np.float32)), [], "", [])


def load_texts(settings: TextsSettings, base: Path) -> Texts:
    """Read, check and split the pairs of a recipe.

    Args:
        base: the recipe's folder, which relative paths start from.

    Raises:
        InputError: a source cannot be read, or holds a row that the recipe refuses; all such rows are counted.
    """
    labelled = {"train": settings.train, "test": settings.test, "dev": settings.dev}
    task = _with_range(settings, base)
    reads = {
        name: _NOTHING if source is None else _read(source, settings, task, base, strict=name == "train")
        for name, source in labelled.items()
    }
    extra = [_read(source, settings, None, base, strict=True) for source in settings.unlabelled]
    if settings.dev is None:
        reads["train"], reads["dev"] = _hold_back(reads["train"], settings.dev_share)
    held_out = {frozenset(pair) for name in ("dev", "test") for pair in reads[name].split.pairs}
    train = _without_leaks(reads["train"], held_out)
    seen = held_out | {frozenset(pair) for pair in train.split.pairs}
    more = [_without_leaks(read, held_out) for read in extra]
    problems = [p for read in (train, reads["dev"], reads["test"], *more) for p in read.problems]
    refuse(problems, settings.action)
    texts = Texts(
        train.split, reads["dev"].split, reads["test"].split, _joined(more, seen),
        (task.low or 0.0, task.high or 0.0) if task.kind == "regression" else None,
        problems,
    )  # fmt: skip
    _check_enough(texts, task, [name for name in labelled if settings.train is not None or labelled[name] is not None])
    return texts


def save_texts(texts: Texts, folder: Path) -> None:
    """Parquet files of the splits, and the dropped rows as JSON."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("train", "dev", "test", "unlabelled"):
        split: Split = getattr(texts, name)
        first, second = zip(*split.pairs, strict=True) if split.pairs else ((), ())
        table = pa.table(
            {
                "first": pa.array(first, pa.string()),
                "second": pa.array(second, pa.string()),
                "label": split.labels,
            }
        )
        pq.write_table(table, folder / f"{name}.parquet")
    facts = {"label_range": texts.label_range, "dropped": [asdict(problem) for problem in texts.dropped]}
    (folder / "texts.json").write_text(json.dumps(facts, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def read_texts(folder: Path) -> Texts:
    """What `save_texts` wrote."""
    splits = {}
    for name in ("train", "dev", "test", "unlabelled"):
        table = pq.read_table(folder / f"{name}.parquet").to_pydict()
        pairs = list(zip(table["first"], table["second"], strict=True))
        splits[name] = Split(pairs, np.array(table["label"], np.float32))
    facts = json.loads((folder / "texts.json").read_text(encoding="utf-8"))
    label_range = tuple(facts["label_range"]) if facts["label_range"] else None
    return Texts(**splits, label_range=label_range, dropped=[Problem(**problem) for problem in facts["dropped"]])


def parse_label(value: str | None, task: Task) -> float | ProblemKind:
    """A label as 0..1 or a class number, or what is wrong with it.

    Args:
        task: with `low` and `high` known for regression.
    """
    if value is None or not value.strip():
        return "label"
    if task.kind == "regression":
        try:
            number = float(value)
        except ValueError:
            return "label"
        if math.isnan(number):
            return "label"
        assert task.low is not None
        assert task.high is not None
        inside = task.low <= number <= task.high
        return (number - task.low) / (task.high - task.low) if inside else "label_range"
    name = value.strip()
    if name not in task.names and _is_integral(name):
        name = str(int(float(name)))
    return float(task.names.index(name)) if name in task.names else "label_range"


def _is_integral(text: str) -> bool:
    try:
        return float(text).is_integer()
    except ValueError:
        return False


def _with_range(settings: TextsSettings, base: Path) -> Task:
    task = settings.task
    if task.kind != "regression" or (task.low is not None and task.high is not None):
        return task
    rows, name = read_rows(settings.train or settings.test, base, (settings.columns.label,))
    numbers = [number for row in rows if (number := _number(row[settings.columns.label])) is not None]
    if not numbers or min(numbers) == max(numbers):
        raise InputError(
            f"{name}: column {settings.columns.label!r} holds no range of numbers to take low and high from"
        )
    low = task.low if task.low is not None else min(numbers)
    high = task.high if task.high is not None else max(numbers)
    return task.model_copy(update={"low": low, "high": high})


def _number(value: str | None) -> float | None:
    try:
        number = float(value or "nan")
    except ValueError:
        return None
    return None if math.isnan(number) else number


def _read(source: Source, settings: TextsSettings, task: Task | None, base: Path, *, strict: bool) -> _Read:
    """Rows of one source; `strict` also counts repeated pairs (benchmarks are taken as they were published)."""
    names = settings.columns
    columns = (names.first, names.second) + ((names.label,) if task is not None else ())
    rows, file = read_rows(source, base, columns)
    if strict and task is not None and settings.limit is not None:
        rows = rows[: settings.limit]
    pairs: list[Pair] = []
    labels: list[float] = []
    kept: list[int] = []
    problems: list[Problem] = []
    seen: set[Pair] = set()
    for number, row in enumerate(rows, start=1):
        outcome = _check_row(row, settings, task, seen if strict else set())
        if isinstance(outcome, tuple):
            pair, label = outcome
            seen.add(pair)
            pairs.append(pair)
            labels.append(label)
            kept.append(number)
        else:
            detail = f"{row[names.label]!r}" if outcome in ("label", "label_range") else ""
            problems.append(Problem(outcome, file, number, detail))
    return _Read(Split(pairs, np.array(labels, np.float32)), kept, file, problems)


def _check_row(
    row: Row, settings: TextsSettings, task: Task | None, seen: set[Pair]
) -> tuple[Pair, float] | ProblemKind:
    first, second = (row[settings.columns.first] or "").strip(), (row[settings.columns.second] or "").strip()
    if "\ufffd" in first + second:
        return "encoding"
    if not first or not second:
        return "empty"
    label = parse_label(row[settings.columns.label], task) if task is not None else math.nan
    if isinstance(label, str):
        return label
    return "duplicate" if (first, second) in seen else ((first, second), label)


def _hold_back(train: _Read, share: float) -> tuple[_Read, _Read]:
    """Dev from train by content: a pair keeps its side whatever else is in the file."""

    def is_dev(pair: Pair) -> bool:
        digest = hashlib.blake2b("\0".join(sorted(pair)).encode("utf-8", "surrogatepass"), digest_size=8).digest()
        return int.from_bytes(digest) < share * 2**64

    mask = np.array([is_dev(pair) for pair in train.split.pairs], bool)
    return _subset(train, ~mask, train.problems), _subset(train, mask, [])


def _without_leaks(read: _Read, held_out: set[frozenset[str]]) -> _Read:
    leaks = np.array([frozenset(pair) in held_out for pair in read.split.pairs], bool)
    found = [Problem("leak", read.file, read.rows[i]) for i in np.flatnonzero(leaks)]
    return _subset(read, ~leaks, read.problems + found)


def _subset(read: _Read, mask: NDArray[np.bool_], problems: list[Problem]) -> _Read:
    kept = np.flatnonzero(mask)
    split = Split([read.split.pairs[i] for i in kept], read.split.labels[kept])
    return _Read(split, [read.rows[i] for i in kept], read.file, problems)


def _joined(reads: list[_Read], seen: set[frozenset[str]]) -> Split:
    pairs = [pair for read in reads for pair in read.split.pairs if frozenset(pair) not in seen]
    return Split(pairs, np.full(len(pairs), np.nan, np.float32))


def refuse(
    problems: Sequence[Problem],
    action: Callable[[ProblemKind], Action],
    said: Callable[[Problem], str] = str,
    unit: str = "rows",
) -> None:
    """Stop at problems that are not to be dropped, the first few of them named.

    Args:
        action: what happens to a kind of problem.
        said: how one is named.
        unit: what the rest are counted in.

    Raises:
        InputError: there are such problems.
    """
    refused = [problem for problem in problems if action(problem.kind) == "refuse"]
    if refused:
        shown = "; ".join(said(problem) for problem in refused[:SHOWN_PROBLEMS])
        more = f"; and {len(refused) - SHOWN_PROBLEMS} {unit} more" if len(refused) > SHOWN_PROBLEMS else ""
        kinds = ", ".join(f"{kind}: drop" for kind in dict.fromkeys(problem.kind for problem in refused))
        raise InputError(f"{shown}{more}. Mend the file, or set texts.problems to {{{kinds}}}")


def _check_enough(texts: Texts, task: Task, splits: list[str]) -> None:
    for name in splits:
        split: Split = getattr(texts, name)
        if len(split) < 2:
            raise InputError(f"{name} has {len(split)} usable pairs; at least 2 are needed")
        if len(set(split.labels.tolist())) < 2:
            raise InputError(
                f"every label of {name} is the same ({split.labels[0]:g}); nothing can be learned or measured"
            )
