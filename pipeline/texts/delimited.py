"""A .tsv or .csv file → its columns as strings, some thousand rows at a time.

What cannot be read as UTF-8 becomes the sign for it; nothing else of a cell is changed, and no word stands for an empty
one. Columns are told apart by their place, so that two of one name harm nobody who asks for others.
"""

from __future__ import annotations

import csv
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any, Literal, NamedTuple

import pandas as pd

from pipeline.texts.quoting import SEPARATORS, Quoting, usual_quoting

ROWS_AT_ONCE = 10_000
CELLS_LOST = "Length of header or names does not match length of data"  # as pandas warns
UNCLOSED = "EOF inside string"  # as pandas says


class _Dialect(NamedTuple):
    separator: str
    quoting: Literal[0, 3]


def read_header(path: Path, quoting: Quoting | None = None) -> tuple[list[str], bool]:
    """The names of the columns, and whether a row follows them.

    Args:
        path: the file.
        quoting: how its quotes are read; default: what its ending says.
    """
    dialect = _dialect(path, quoting)
    with _opened(path) as file:
        rows = csv.reader(file, delimiter=dialect.separator, quoting=dialect.quoting)
        header = next(rows)
        return header, any(line.strip() for line in file)  # not by csv, which takes no field of more than 128 KiB


def column_parts(
    path: Path, header: Sequence[str], columns: Sequence[str], quoting: Quoting | None = None
) -> Iterator[list[list[str | None]]]:
    """The cells of the wanted columns, [columns][rows], of some thousand rows at a time; empty where a row ends early.

    Args:
        path: the file.
        header: as `read_header` gives it; the first column of a name is the one that is meant.
        columns: names in it.
        quoting: as in `read_header`.

    Raises:
        ValueError: a row cannot be told from the next, or has more cells than the header.
    """
    dialect = _dialect(path, quoting)
    places = [list(header).index(name) for name in columns]
    with (
        _opened(path) as file,
        pd.read_csv(
            file, sep=dialect.separator, quoting=dialect.quoting, names=list(range(len(header))), header=0,
            index_col=False, dtype=object, keep_default_na=False, na_values=[], chunksize=ROWS_AT_ONCE,
        ) as reader,
    ):  # fmt: skip
        while (rows := _next(reader)) is not None:
            yield [[cell if isinstance(cell, str) else None for cell in rows[place].tolist()] for place in places]


def _next(reader: Iterator[pd.DataFrame]) -> pd.DataFrame | None:
    with warnings.catch_warnings():
        warnings.filterwarnings("error", CELLS_LOST)
        try:
            return next(reader, None)
        except pd.errors.ParserWarning:
            raise ValueError("a row has more cells than the header names") from None
        except pd.errors.ParserError as error:
            if UNCLOSED not in str(error):
                raise
            raise ValueError(f"{error}; close the quote, or say quoting: none where quotes are characters") from None


def _dialect(path: Path, quoting: Quoting | None) -> _Dialect:
    enclose = (quoting or usual_quoting(path)) == "csv"
    return _Dialect(SEPARATORS[path.suffix], csv.QUOTE_MINIMAL if enclose else csv.QUOTE_NONE)


def _opened(path: Path) -> IO[Any]:
    return path.open(encoding="utf-8-sig", errors="replace", newline="")
