"""Whether the quotes of a .tsv or .csv file enclose its cells, as CSV has them, or are characters of its texts.

`csv` is RFC 4180: a cell that begins with a quote ends with one, a quote inside is written twice, and separators and
line ends inside belong to the cell. `none` has no quoting: a cell is what stands between two separators. Where no cell
begins with a quote, both give the same. Else the whole file is looked at for what only one of the two writes:

- for csv: a quoted header; a quoted cell that holds a quote written twice; a row that has as many cells as the header
  only if separators or line ends inside a quoted cell are taken as its text;
- for none: text behind a closing quote, or a quote that none closes; a quote inside a cell that begins without one; a
  row that has as many cells as the header only if they are not.

A .tsv file is read as what only one side is found for. Where something is found for both, or for neither though whole
cells stand in quotes, it is refused. The ending of a .csv file says that it is CSV: it is refused where something is
found for none, but for quotes inside cells that begin without one where something is found for csv too.
"""

from __future__ import annotations

from codecs import BOM_UTF8
from pathlib import Path
from typing import BinaryIO, Literal, get_args

from decant.errors import InputError
from pipeline.texts.quote_signs import READ_BYTES, Sign, quote_signs

Quoting = Literal["none", "csv"]

SEPARATORS = {".tsv": "\t", ".csv": ","}
SAY = "quoting: csv where quotes enclose cells, or quoting: none where they are characters (--quoting)"
FOR_NONE: dict[Sign, str] = {
    "broken": "has text behind a closing quote",
    "unclosed": "has a quote that none closes",
    "stray": "has a quote inside a cell that begins without one",
    "lines": "has as many cells as the header only if its quotes enclose nothing",
}
AGAINST: dict[str, frozenset[Sign]] = {  # what decides alone, if nothing speaks for CSV
    ".tsv": frozenset(FOR_NONE),
    ".csv": frozenset(("broken", "lines")),
}


def quoting_option(given: str | None) -> Quoting | None:
    """What a command line says of quotes; None: nothing.

    Raises:
        InputError: it is no such word.
    """
    known = {word: word for word in get_args(Quoting)}
    if given is not None and given not in known:
        raise InputError(f"--quoting {given}: choose {' or '.join(known)}")
    return known[given] if given is not None else None


def usual_quoting(path: Path) -> Quoting:
    """What a file's ending says of quotes."""
    return "csv" if path.suffix == ".csv" else "none"


def found_quoting(path: Path, stated: Quoting | None = None) -> Quoting:
    """How the quotes of a .tsv or .csv file are read; it is searched once, and looked at once more where need be.

    Args:
        path: the file.
        stated: what its source says; None: it is found out.

    Raises:
        InputError: it cannot be told, or the file is to be read as CSV and has text behind a closing quote.
    """
    separator = SEPARATORS[path.suffix]
    if stated == "none" or not _begins_with_quotes(path, separator):
        return stated or usual_quoting(path)
    with _behind_mark(path) as file:
        signs = quote_signs(file, separator, AGAINST[path.suffix] if stated is None else frozenset(("broken",)))
    if stated == "csv":
        _refuse_one(path, signs, "broken")
        return stated
    if path.suffix == ".csv":
        _check_csv(path, signs)
        return "csv"
    return _of_tsv(path, signs)


def _of_tsv(path: Path, signs: dict[Sign, int]) -> Quoting:
    against = [sign for sign in FOR_NONE if sign in signs]
    if "csv" in signs and against:
        first = min(against, key=lambda sign: signs[sign])
        raise InputError(
            f"{path}: {_row(signs['csv'])} is quoted as CSV quotes, but {_row(signs[first])} {FOR_NONE[first]}; mend "
            f"it, or say {SAY}"
        )
    if "csv" not in signs and not against:
        raise InputError(
            f"{path}, {_row(signs['quoted'])}: whole cells stand in quotes, which may be CSV's or the texts' own; "
            f"say {SAY}"
        )
    return "csv" if "csv" in signs else "none"


def _check_csv(path: Path, signs: dict[Sign, int]) -> None:
    """That a quote is never closed is told where the file is read."""
    _refuse_one(path, signs, "broken")
    _refuse_one(path, signs, "lines")
    if "csv" not in signs:
        _refuse_one(path, signs, "stray")


def _refuse_one(path: Path, signs: dict[Sign, int], sign: Sign) -> None:
    if sign in signs:
        raise InputError(
            f"{path}, {_row(signs[sign])} {FOR_NONE[sign]}, which CSV has not; write a quote inside a quoted cell "
            f"twice, or say {SAY}"
        )


def _row(number: int) -> str:
    return f"row {number}" if number else "the header"


def _begins_with_quotes(path: Path, separator: str) -> bool:
    """Whether any cell begins with a quote, by either reading."""
    marks = [f'{before}"'.encode() for before in (separator, "\n", "\r")]
    before = b"\n"
    with _behind_mark(path) as file:
        while block := file.read(READ_BYTES):
            if b'"' in block and any(mark in before + block for mark in marks):
                return True
            before = block[-1:]
    return False


def _behind_mark(path: Path) -> BinaryIO:
    file = path.open("rb")
    if file.read(len(BOM_UTF8)) != BOM_UTF8:
        file.seek(0)
    return file
