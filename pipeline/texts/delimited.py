"""A .tsv or .csv file → its columns as strings, some thousand rows at a time.

What cannot be read as UTF-8 becomes the sign for it; nothing else of a cell is changed, and no word stands for an empty
one. Columns are told apart by their place, so that two of one name harm nobody who asks for others.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import IO, Any, Literal, NamedTuple
from uuid import uuid4

from pipeline.texts.quoting import SEPARATORS, Quoting, usual_quoting

ROWS_AT_ONCE = 10_000
IN_QUOTES = "take the surplus out, or enclose a cell that holds the separator in quotes"
LONGEST_CELL = 2**31 - 1  # characters; csv takes 128 KiB unless it is told so


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
) -> Iterator[list[list[str]]]:
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
    csv.field_size_limit(LONGEST_CELL)
    with _opened(path) as file:
        rows = _rows(file, dialect, len(header))
        while part := list(islice(rows, ROWS_AT_ONCE)):
            yield [[row[place] if place < len(row) else "" for row in part] for place in places]


def _rows(file: IO[Any], dialect: _Dialect, names: int) -> Iterator[list[str]]:
    """The rows below the header; a cell behind those that are named may stand there only if it is empty in each.

    csv does not tell of a quote that nothing closes. A line is added that is a row only if every quote is closed.
    """
    end = [uuid4().hex] * 2
    last = [""]
    lines = _noted(chain(file, [dialect.separator.join(end)]), last)
    reader = csv.reader(lines, delimiter=dialect.separator, quoting=dialect.quoting)
    next(reader)
    most, number = 0, 0
    for row in reader:
        number += 1
        if row and end[0] in row[-1]:
            if row == end:
                return
            raise _unclosed(number)
        if not row or (row[0].isspace() and last[0][0] != dialect.separator and not last[0].strip(" \t\r\n")):
            number -= 1
            continue  # a line of white space, outside quotes, is no row
        most = most or max(names, len(row))
        if len(row) > min(most, names + 1) or any(row[names:]):
            raise ValueError(f"row {number} has {len(row)} cells, but the header names {names}; {IN_QUOTES}")
        yield row
    raise _unclosed(0)


def _noted(lines: Iterable[str], last: list[str]) -> Iterator[str]:
    for line in lines:
        last[0] = line
        yield line


def _unclosed(row: int) -> ValueError:
    where = f"row {row}" if row else "the header"
    said = f"{where} opens a quote that is never closed"
    return ValueError(f"{said}; close it, or say quoting: none where quotes are characters")


def _dialect(path: Path, quoting: Quoting | None) -> _Dialect:
    enclose = (quoting or usual_quoting(path)) == "csv"
    return _Dialect(SEPARATORS[path.suffix], csv.QUOTE_MINIMAL if enclose else csv.QUOTE_NONE)


def _opened(path: Path) -> IO[Any]:
    return path.open(encoding="utf-8-sig", errors="replace", newline="")
