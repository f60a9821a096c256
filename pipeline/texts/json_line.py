"""A line of JSON → its value. A key that an object gives twice is refused where it is asked for, and ignored else.

Python's own reader takes the last value of such a key without a word.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from decant.errors import InputError, one_line


class _Doubled(dict[str, Any]):
    """An object that gives a key twice."""

    keys_given: tuple[str, ...] = ()


def json_line(line: str, where: str, wanted: Sequence[str]) -> Any:
    """A line's value; numbers and constants as Python's json reads them.

    Args:
        line: the text.
        where: file and line, for messages.
        wanted: keys of the object that are asked for; they may be absent.

    Raises:
        InputError: it is not JSON, or an object that gives one of the wanted keys twice.
    """
    try:
        value = DECODER.decode(line)
    except (ValueError, RecursionError) as error:  # ValueError: a number of 4,300 digits, too
        raise InputError(f"{where} is not JSON: {one_line(error)}") from error
    if isinstance(value, _Doubled):
        twice = [key for key in wanted if value.keys_given.count(key) > 1]
        if twice:
            raise InputError(f"{where} gives {twice[0]!r} twice; keep one of them")
    return value


def _read(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) < len(pairs):
        row = _Doubled(row)
        row.keys_given = tuple(key for key, _ in pairs)
    return row


DECODER = json.JSONDecoder(object_pairs_hook=_read)
