"""Numbers as files and options write them: one grammar, in which every reader of a cell agrees.

    number = [sign] (digits ["." [digits]] | "." digits) [("e" | "E") [sign] digits]
    sign   = "+" | "-"
    digits = one or more of 0 to 9

White space of ASCII around it is no part of it. So `1_000`, `1,000`, `1,5`, `0x1f`, `nan`, `inf` and digits of other
scripts are no numbers, though Python's own `float` and `int` take some of them; nor is what no float64 can hold.
"""

from __future__ import annotations

import math
import re

from decant.errors import InputError

WHITE_SPACE = " \t\n\r\v\f"
NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
WHOLE = re.compile(r"[+-]?[0-9]{1,18}")
WHOLE_AS_FLOAT = re.compile(r"([+-]?[0-9]{1,18})(?:\.0*)?")
GRAMMAR = "digits 0 to 9 with a point, such as 2.5"
NOT_FINITE = ("nan", "inf", "infinity")  # as Python names them


def parse_number(text: str) -> float | None:
    """The number that a text writes; None where it writes none."""
    written = text.strip(WHITE_SPACE)
    if NUMBER.fullmatch(written) is None:
        return None
    number = float(written)
    return number if math.isfinite(number) else None


def label_number(value: str | None, name: str, row: int) -> float:
    """A label that must be a number.

    Args:
        value: of the cell.
        name: the file's, for the message.
        row: the cell's, from 1.

    Raises:
        InputError: it is none.
    """
    text = value or ""
    number = parse_number(text)
    if number is None:
        written = text.strip(WHITE_SPACE)
        finite = " finite" if NUMBER.fullmatch(written) or written.lstrip("+-").lower() in NOT_FINITE else ""
        raise InputError(f"{name}, row {row}: the label {value!r} is not a{finite} number; write it in {GRAMMAR}")
    return number


def parse_whole(text: str) -> int | None:
    """The whole number that a text writes in digits alone, of 18 at most; None where it writes none."""
    written = text.strip(WHITE_SPACE)
    return int(written) if WHOLE.fullmatch(written) else None


def whole_name(text: str) -> str | None:
    """The shortest name of a whole number, `1` for `1.0` too, which pandas makes of it in a column with gaps.

    None where the text writes no whole number so.
    """
    found = WHOLE_AS_FLOAT.fullmatch(text.strip(WHITE_SPACE))
    return str(int(found[1])) if found is not None else None
