"""Files of a row a line: .jsonl, an object each, and .txt, a text each → their columns, some thousand rows at a time.

What cannot be read as UTF-8 becomes the sign for it, and a byte-order mark at the beginning is dropped.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from decant.errors import InputError
from pipeline.texts.delimited import ROWS_AT_ONCE
from pipeline.texts.json_line import json_line

TEXT = "text"  # the one column of a .txt file
HALF_PAIR = re.compile("[\ud800-\udfff]")


def read_names(path: Path) -> list[str]:
    """The columns of a .jsonl file: the keys of its first object, none where there is no object.

    Raises:
        InputError: the first line that is not blank is no object.
    """
    return list(next(_objects(path), {}))


def object_parts(path: Path, columns: Sequence[str]) -> Iterator[list[list[str | None]]]:
    """The wanted columns of a .jsonl file, [columns][rows], some thousand rows at a time; None where a row has none.

    Raises:
        InputError: a row is no object, or gives one of the columns twice; it is named by its number.
    """
    rows = ([as_text(row.get(name)) for name in columns] for row in _objects(path, columns))
    while part := list(islice(rows, ROWS_AT_ONCE)):
        yield [list(cells) for cells in zip(*part, strict=True)]


def line_parts(path: Path, columns: Sequence[str]) -> Iterator[list[list[str | None]]]:
    """The lines of a .txt file without their ends, as often as there are columns, some thousand at a time."""
    with path.open(encoding="utf-8-sig", errors="replace") as lines:
        while part := list(islice(lines, ROWS_AT_ONCE)):
            yield [[line.rstrip("\n") for line in part] for _ in columns]


def as_text(value: Any) -> str | None:
    """A cell's string as it is, any other value as Python writes it; None where there is none."""
    return None if value is None else _whole(value if isinstance(value, str) else str(value))


def _whole(text: str) -> str:
    """The text with each half of a surrogate pair, which is in no UTF-8, as the sign of a byte that cannot be read."""
    return HALF_PAIR.sub("\ufffd", text)


def _objects(path: Path, wanted: Sequence[str] = ()) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        for number, line in enumerate(filter(str.strip, file), start=1):
            row = json_line(line, f"{path}, row {number}", wanted)
            if not isinstance(row, dict):
                raise InputError(f"{path}, row {number} is not a JSON object")
            yield {_whole(name): value for name, value in row.items()} if "\\u" in line else row
