"""One source's rows → pairs in Arrow that can be used, every problem named by file and row.

Rows are read and checked some thousand at a time; beside the pairs, each takes some thirty bytes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from decant.content_keys import Keys, as_keys, content_key, first_rows
from decant.errors import InputError
from decant.models.prompts import Pair
from pipeline.texts.numbers import parse_number
from pipeline.texts.parse_label import allowed_labels, parse_label
from pipeline.texts.problems import Problem, refuse
from pipeline.texts.settings import ProblemKind, Task, TextsSettings
from pipeline.texts.source import Row, Source, row_parts
from teachers.labels.pair_table import PairTable, write_batches

SCHEMA = pa.schema({"first": pa.string(), "second": pa.string(), "label": pa.float32()})


@dataclass(frozen=True)
class UsableRows:
    """The rows of a source that can be used.

    Args:
        table: their pairs and labels.
        rows: the number of each in the file.
        keys: of each pair, the same with its sides changed.
        fresh: False where it repeats an earlier pair, and that matters.
    """

    table: PairTable
    rows: NDArray[np.int64]
    keys: Keys
    fresh: NDArray[np.bool_]
    file: str
    problems: list[Problem]


def no_rows() -> UsableRows:
    """What a source that is not there holds."""
    none = np.zeros(0, np.int64)
    return UsableRows(PairTable([]), none, np.zeros((0, 2), np.uint64), none.astype(bool), "", [])


def read_source(
    source: Source, settings: TextsSettings, task: Task | None, base: Path, scratch: Path | None, *, strict: bool
) -> UsableRows:
    """Rows of one source; `strict` also counts repeated pairs (benchmarks are taken as they were published)."""
    names = settings.columns
    columns = (names.first, names.second) + ((names.label,) if task is not None else ())
    parts, file = row_parts(source, base, columns)
    checked = _Checked(bytearray(), bytearray(), bytearray(), [])
    limit = settings.limit if strict and task is not None else None
    path = scratch / f"{len(list(scratch.iterdir()))}.arrow" if strict and scratch is not None else None
    table = write_batches(_check(parts, settings, task, file, limit, checked), SCHEMA, path)
    rows, keys = np.frombuffer(checked.rows, np.int64), as_keys(checked.keys)
    fresh, problems = np.ones(len(rows), bool), checked.problems
    if strict:
        ordered = keys.copy()
        ordered[:, 1] ^= np.frombuffer(checked.swapped, bool)  # so that sides count
        fresh[:] = False
        fresh[first_rows(ordered)] = True
        problems += [Problem("duplicate", file, int(row)) for row in rows[~fresh]]
        problems.sort(key=lambda problem: problem.row)
    return UsableRows(table, rows, keys, fresh, file, problems)


def check_first_rows(source: Source, settings: TextsSettings, task: Task | None, base: Path, most: int) -> None:
    """Refuse a source without the columns, or one whose first rows the recipe refuses.

    Args:
        task: of the labels; None: the source has none.
        most: how many rows are looked at.

    Raises:
        InputError: as `row_parts`, or such rows, the first few of them named.
    """
    names = settings.columns
    columns = (names.first, names.second) + ((names.label,) if task is not None else ())
    parts, file = row_parts(source, base, columns)
    rows = list(islice(chain.from_iterable(parts), most + 1))
    known = task
    if task is not None and task.kind == "regression":  # a range that the file itself gives holds every number
        low, high = (
            value if value is not None else edge for value, edge in ((task.low, -math.inf), (task.high, math.inf))
        )
        known = task.model_copy(update={"low": low, "high": high})
    outcomes = ((number, row, _check_row(row, settings, known)) for number, row in enumerate(rows[:most], start=1))
    problems = [_problem(kind, file, number, row, settings) for number, row, kind in outcomes if isinstance(kind, str)]
    unit = f"of the first {most:,} rows" if len(rows) > most else "rows"
    refuse(problems, settings.action, unit=unit, allowed=allowed_labels(task) if task is not None else "")


def task_with_range(settings: TextsSettings, base: Path) -> Task:
    """The task; of a regression, with the least and greatest label, from the labels where the recipe has none."""
    task = settings.task
    if task.kind != "regression" or (task.low is not None and task.high is not None):
        return task
    source = settings.train or settings.test
    if source is None:
        return task
    parts, name = row_parts(source, base, (settings.columns.label,))
    least, most, odd = math.inf, -math.inf, ""
    for row, value in enumerate((row[settings.columns.label] for part in parts for row in part), start=1):
        number = parse_number(value or "")
        if number is not None:
            least, most = min(least, number), max(most, number)
        elif not odd and value and value.strip():
            odd = f"; row {row} has {value!r}, but {allowed_labels(task)}: for words take kind: binary or multiclass"
    if least >= most:
        raise InputError(
            f"{name}: column {settings.columns.label!r} holds no range of numbers to take low and high from{odd}"
        )
    low = task.low if task.low is not None else least
    high = task.high if task.high is not None else most
    return task.model_copy(update={"low": low, "high": high})


@dataclass
class _Checked:
    """What is noted of the rows while they are checked: arrays as bytes, which grow in place, and problems."""

    rows: bytearray  # int64
    keys: bytearray
    swapped: bytearray  # bool: the second text comes before the first
    problems: list[Problem]


def _check(
    parts: Iterator[list[Row]], settings: TextsSettings, task: Task | None, file: str, limit: int | None,
    checked: _Checked,
) -> Iterator[pa.RecordBatch]:  # fmt: skip
    """The rows that can be used, a batch a part."""
    number = 0
    for part in parts:
        kept: list[tuple[int, str, str, float]] = []
        for row in part if limit is None else part[: max(0, limit - number)]:
            number += 1
            outcome = _check_row(row, settings, task)
            if isinstance(outcome, tuple):
                kept.append((number, *outcome[0], outcome[1]))
            else:
                checked.problems.append(_problem(outcome, file, number, row, settings))
        rows, first, second, labels = zip(*kept, strict=True) if kept else ((), (), (), ())
        sides = list(zip(first, second, strict=True))
        checked.rows += np.array(rows, np.int64).tobytes()
        checked.keys += b"".join(content_key(*sorted(pair)) for pair in sides)
        checked.swapped += bytes(one > other for one, other in sides)
        columns = [pa.array(first, pa.string()), pa.array(second, pa.string()), pa.array(labels, pa.float32())]
        yield pa.RecordBatch.from_arrays(columns, schema=SCHEMA)
        if limit is not None and number >= limit:
            return


def _problem(kind: ProblemKind, file: str, number: int, row: Row, settings: TextsSettings) -> Problem:
    return Problem(kind, file, number, f"{row[settings.columns.label]!r}" if kind in ("label", "label_range") else "")


def _check_row(row: Row, settings: TextsSettings, task: Task | None) -> tuple[Pair, float] | ProblemKind:
    first, second = (row[settings.columns.first] or "").strip(), (row[settings.columns.second] or "").strip()
    if "\ufffd" in first + second:
        return "encoding"
    if not first or not second:
        return "empty"
    label = parse_label(row[settings.columns.label], task) if task is not None else math.nan
    return label if isinstance(label, str) else ((first, second), label)
