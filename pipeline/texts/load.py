"""Rows of the sources → checked splits, every problem named by file and row, counted, refused or dropped.

Pairs for training may be many: they are read in parts, checked, and kept as Arrow, mapped from a file where there is
a folder for it. Beside them, each takes some forty bytes while it is checked. Dev and test are lists.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from itertools import chain
from operator import itemgetter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from decant.content_keys import find_rows
from decant.errors import InputError
from pipeline.texts.delimited import ROWS_AT_ONCE
from pipeline.texts.pair_rows import SCHEMA, UsableRows, no_rows, read_source, task_with_range
from pipeline.texts.parse_label import allowed_labels
from pipeline.texts.problems import Problem, refuse
from pipeline.texts.rankings import Rankings, judged_pairs, load_rankings, read_rankings, save_rankings
from pipeline.texts.settings import Task, TextsSettings
from teachers.cross_encoders.cross_encoder import Pair
from teachers.labels.pair_table import PairTable, open_pairs, write_batches

SCRATCH = ".reading."
MAPPED, WHOLE = ("train", "unlabelled"), ("dev", "test")


@dataclass(frozen=True)
class Split:
    """Pairs and labels: float32 [pairs], 0..1 for regression, class numbers else, NaN where there is none."""

    pairs: Sequence[Pair]
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
    rankings: Rankings | None = None
    """Of a task of rankings, whose splits are the pairs of each query with what was judged relevant, by grade."""

    @property
    def sides(self) -> tuple[Iterable[str], Iterable[str]]:
        """All texts of training that stand first in a pair, and all that stand second: queries, and documents."""
        if self.rankings is not None:
            return self.rankings.train.queries, self.rankings.train.documents
        first, second = (chain(self.train.pairs, self.unlabelled.pairs) for _ in (0, 1))
        return map(itemgetter(0), first), map(itemgetter(1), second)

    def dropped_counts(self) -> dict[str, int]:
        """How many rows were dropped, by kind of problem."""
        return dict(Counter(problem.kind for problem in self.dropped))


def pair_texts(texts: Texts) -> list[str]:
    """Distinct texts of the training pairs, in the order of their first standing."""
    if texts.rankings is not None:
        return list(dict.fromkeys(chain(*texts.sides)))
    splits = texts.train, texts.unlabelled
    return list(dict.fromkeys(text for split in splits for pair in split.pairs for text in pair))


def load_texts(settings: TextsSettings, base: Path, folder: Path | None = None) -> Texts:
    """Read, check and split the pairs of a recipe.

    Args:
        base: the recipe's folder, which relative paths start from.
        folder: for the files that the pairs to train on are mapped from; default: they stay in memory.

    Raises:
        InputError: a source cannot be read, or holds a row that the recipe refuses; all such rows are counted.
    """
    if settings.task.kind == "ranking":
        return _of_rankings(*load_rankings(settings, base))
    labelled = {"train": settings.train, "test": settings.test, "dev": settings.dev}
    task = task_with_range(settings, base)
    for left in folder.glob(f"{SCRATCH}*") if folder is not None else ():  # of a killed run
        shutil.rmtree(left)
    with tempfile.TemporaryDirectory(dir=folder, prefix=SCRATCH, ignore_cleanup_errors=True) as scratch:
        place = None if folder is None else Path(scratch)
        train, test, dev = (
            no_rows() if source is None else read_source(source, settings, task, base, place, strict=name == "train")
            for name, source in labelled.items()
        )
        extra = [read_source(source, settings, None, base, place, strict=True) for source in settings.unlabelled]
        chosen, tested = np.zeros((2, len(train.rows)), bool)
        if settings.dev is None:
            chosen = train.fresh & _drawn(train.table, 0, settings.dev_share)
        if settings.test is None:
            tested = train.fresh & _drawn(train.table, 1 - settings.test_share, 1)
        held = train.keys[chosen] if settings.dev is None else dev.keys
        out = np.concatenate([held, train.keys[tested] if settings.test is None else test.keys])
        kept = train.fresh & ~chosen & ~tested
        leaks = [kept & (find_rows(train.keys, out) >= 0)]
        leaks += [one.fresh & (find_rows(one.keys, out) >= 0) for one in extra]
        kept &= ~leaks[0]
        problems = [*train.problems, *_told_leaks(train, leaks[0]), *dev.problems, *test.problems]
        for one, found in zip(extra, leaks[1:], strict=True):
            problems += [*one.problems, *_told_leaks(one, found)]
        refuse(problems, settings.action, allowed=allowed_labels(task))
        seen = np.concatenate([out, train.keys[kept]])
        more = (part for one in extra for part in _chosen(one.table, one.fresh & (find_rows(one.keys, seen) < 0)))
        texts = Texts(
            _split(write_batches(_chosen(train.table, kept), SCHEMA, _file(folder, "train"))),
            _listed(_chosen(train.table, chosen) if settings.dev is None else dev.table.batches),
            _listed(_chosen(train.table, tested) if settings.test is None else test.table.batches),
            _split(write_batches(more, SCHEMA, _file(folder, "unlabelled"))),
            (task.low or 0.0, task.high or 0.0)
            if task.kind == "regression" and (settings.test or settings.train) is not None
            else None,
            problems,
        )
    _check_enough(texts, task, [name for name in labelled if settings.train is not None or labelled[name] is not None])
    return texts


def save_texts(texts: Texts, folder: Path) -> None:
    """Dev and test in Parquet, the pairs to train on in Arrow, and the dropped rows as JSON."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in WHOLE:
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
    for name in MAPPED:
        pairs = getattr(texts, name).pairs
        if not (isinstance(pairs, PairTable) and pairs.path == _file(folder, name)):
            write_batches(_batches(getattr(texts, name)), SCHEMA, _file(folder, name))
    if texts.rankings is not None:
        save_rankings(texts.rankings, folder)
    facts = {"label_range": texts.label_range, "dropped": [asdict(problem) for problem in texts.dropped]}
    (folder / "texts.json").write_text(json.dumps(facts, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def read_texts(folder: Path) -> Texts:
    """What `save_texts` wrote; also where it wrote all splits in Parquet, as it did once."""
    splits = {}
    for name in (*MAPPED, *WHOLE):
        mapped = _file(folder, name)
        if name in MAPPED and mapped is not None and mapped.is_file():
            splits[name] = _split(open_pairs(mapped))
            continue
        table = pq.read_table(folder / f"{name}.parquet").to_pydict()
        pairs = list(zip(table["first"], table["second"], strict=True))
        splits[name] = Split(pairs, np.array(table["label"], np.float32))
    facts = json.loads((folder / "texts.json").read_text(encoding="utf-8"))
    label_range = tuple(facts["label_range"]) if facts["label_range"] else None
    dropped = [Problem(**problem) for problem in facts["dropped"]]
    return Texts(**splits, label_range=label_range, dropped=dropped, rankings=read_rankings(folder))


def _of_rankings(rankings: Rankings, problems: list[Problem]) -> Texts:
    pairs = {name: judged_pairs(one) for name, one in rankings.splits.items()}
    splits = {name: Split(some, np.array(grades, np.float32)) for name, (some, grades) in pairs.items()}
    none = Split([], np.zeros(0, np.float32))
    return Texts(**splits, unlabelled=none, label_range=None, dropped=problems, rankings=rankings)


def _drawn(table: PairTable, low: float, high: float) -> NDArray[np.bool_]:
    """Which pairs a split gets, by content: a pair keeps its split whatever else is in the file.

    Args:
        low: from this share of all pairs on; dev takes the first ones, test the last.
        high: up to this share.
    """

    def is_drawn(pair: Pair) -> bool:
        digest = hashlib.blake2b("\0".join(sorted(pair)).encode("utf-8", "surrogatepass"), digest_size=8).digest()
        return low * 2**64 <= int.from_bytes(digest) < high * 2**64

    return np.fromiter((is_drawn(pair) for pair in table), bool, len(table))


def _told_leaks(read: UsableRows, leaks: NDArray[np.bool_]) -> list[Problem]:
    return [Problem("leak", read.file, int(row)) for row in read.rows[leaks]]


def _chosen(table: PairTable, mask: NDArray[np.bool_]) -> Iterator[pa.RecordBatch]:
    start = 0
    for batch in table.batches:
        yield batch.filter(pa.array(mask[start : start + len(batch)]))
        start += len(batch)


def _split(table: PairTable) -> Split:
    return Split(table, table.column("label", np.float32))


def _listed(batches: Iterable[pa.RecordBatch]) -> Split:
    table = PairTable(batches)
    return Split(list(table), table.column("label", np.float32))


def _batches(split: Split) -> Iterator[pa.RecordBatch]:
    for start in range(0, len(split), ROWS_AT_ONCE):
        here = slice(start, start + ROWS_AT_ONCE)
        first, second = zip(*split.pairs[here], strict=True)
        columns = [pa.array(first, pa.string()), pa.array(second, pa.string()), pa.array(split.labels[here])]
        yield pa.RecordBatch.from_arrays(columns, schema=SCHEMA)


def _file(folder: Path | None, name: str) -> Path | None:
    return None if folder is None else folder / f"{name}.arrow"


def _check_enough(texts: Texts, task: Task, splits: list[str]) -> None:
    for name in splits:
        split: Split = getattr(texts, name)
        if len(split) < 2:
            raise InputError(f"{name} has {len(split)} usable pairs; at least 2 are needed")
        if len(np.unique(split.labels)) < 2:
            raise InputError(
                f"every label of {name} is the same ({split.labels[0]:g}); nothing can be learned or measured"
            )
