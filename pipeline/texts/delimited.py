"""A .tsv or .csv file → its columns as strings, some thousand rows at a time.

A .tsv file's quotes are plain characters. What cannot be read as UTF-8 becomes the sign for it; nothing else of a cell
is changed, and no word stands for an empty one.
"""

from __future__ import annotations

import csv
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any, Literal, NamedTuple

import pandas as pd

ROWS_AT_ONCE = 10_000
CELLS_LOST = "Length of header or names does not match length of data"  # as pandas warns


class _Dialect(NamedTuple):
    separator: str
    quoting: Literal[0, 3]


def read_header(path: Path) -> tuple[list[str], bool]:
    """The names of the columns, and whether a row follows them."""
    dialect = _dialect(path)
    with _opened(path) as file:
        rows = csv.reader(file, delimiter=dialect.separator, quoting=dialect.quoting)
        header = [name.removeprefix("\ufeff") for name in next(rows)]
        return header, any(line.strip() for line in file)  # not by csv, which takes no field of more than 128 KiB


def column_parts(path: Path, header: Sequence[str], columns: Sequence[str]) -> Iterator[list[list[str | None]]]:
    """The cells of the wanted columns, [columns][rows], of some thousand rows at a time; empty where a row ends early.

    Raises:
        ValueError: a row cannot be told from the next, or has more cells than the header.
    """
    dialect = _dialect(path)
    with (
        _opened(path) as file,
        pd.read_csv(
            file, sep=dialect.separator, quoting=dialect.quoting, names=list(header), header=0, index_col=False,
            dtype=object, keep_default_na=False, na_values=[], chunksize=ROWS_AT_ONCE,
        ) as reader,
    ):  # fmt: skip
        while (rows := _next(reader)) is not None:
            yield [[cell if isinstance(cell, str) else None for cell in rows[name].tolist()] for name in columns]


def _next(reader: Iterator[pd.DataFrame]) -> pd.DataFrame | None:
    with warnings.catch_warnings():
        warnings.filterwarnings("error", CELLS_LOST)
        try:
            return next(reader, None)
        except pd.errors.ParserWarning:
            raise ValueError("a row has more cells than the header names") from None


def _dialect(path: Path) -> _Dialect:
    return _Dialect("\t", csv.QUOTE_NONE) if path.suffix == ".tsv" else _Dialect(",", csv.QUOTE_MINIMAL)


def _opened(path: Path) -> IO[Any]:
    return path.open(encoding="utf-8", errors="replace", newline="")
