"""A file of labelled pairs that stands outside a recipe, such as `decant eval` and `decant promote` are given."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from decant.errors import InputError
from pipeline.texts.numbers import label_number
from pipeline.texts.parse_label import parse_label
from pipeline.texts.quoting import Quoting
from pipeline.texts.settings import Task
from pipeline.texts.source import Source, read_rows


def read_labelled(
    file: Path, first: str, second: str, label: str, quoting: Quoting | None = None
) -> tuple[list[tuple[str, str]], NDArray[np.float64], str]:
    """Pairs, their labels, float64 [pairs], and the file's name.

    Args:
        file: of pairs.
        first: column of the first text.
        second: column of the second text.
        label: column of the label.
        quoting: of a .tsv or .csv file; default: found out.

    Raises:
        InputError: the file cannot be read, a row has no text or no number, or all labels are the same.
    """
    pairs, written, name = read_pairs(file, first, second, label, quoting)
    labels = np.array([label_number(one, name, number) for number, one in enumerate(written, start=1)])
    if len(set(labels.tolist())) < 2:
        raise InputError(f"{name}: every label is the same, so no correlation can be measured")
    return pairs, labels, name


def read_classes(
    file: Path, columns: tuple[str, str, str], task: Task, quoting: Quoting | None = None
) -> tuple[list[tuple[str, str]], NDArray[np.int64], str]:
    """Pairs, their classes, int64 [pairs], and the file's name.

    Args:
        file: of pairs.
        columns: of the first text, the second text and the label.
        task: of classes.
        quoting: of a .tsv or .csv file; default: found out.

    Raises:
        InputError: the file cannot be read, a row has no text, a label names no class, or all are the same.
    """
    pairs, written, name = read_pairs(file, *columns, quoting)
    labels = []
    for number, one in enumerate(written, start=1):
        found = parse_label(one, task)
        if isinstance(found, str):
            raise InputError(f"{name}, row {number}: the label {one!r} is none of {', '.join(task.names)}")
        labels.append(int(found))
    if len(set(labels)) < 2:
        raise InputError(f"{name}: every label is the same, so nothing can be measured")
    return pairs, np.array(labels, np.int64), name


def read_pairs(
    file: Path, first: str, second: str, label: str, quoting: Quoting | None = None
) -> tuple[list[tuple[str, str]], list[str | None], str]:
    """Pairs, their labels as they are written, and the file's name; arguments as in `read_labelled`.

    Raises:
        InputError: the file cannot be read, or a row has no text.
    """
    rows, name = read_rows(Source(path=str(file.resolve()), quoting=quoting), Path(), (first, second, label))
    pairs = [
        (_text(row[first], name, number), _text(row[second], name, number)) for number, row in enumerate(rows, start=1)
    ]
    return pairs, [row[label] for row in rows], name


def _text(value: str | None, name: str, row: int) -> str:
    if value is None or not value.strip():
        raise InputError(f"{name}, row {row} has an empty text")
    if "\ufffd" in value:
        raise InputError(f"{name}, row {row} is not UTF-8")
    return value.strip()
