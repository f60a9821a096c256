"""A table as data, and as Markdown; `pipeline.screen.terminal_table` and the page's templates show it elsewhere."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

MISSING = "–"
NUMBER = re.compile(r"[+-]?[\d,]*\.?\d+")
SPECIAL = str.maketrans({c: f"\\{c}" for c in "\\|`*_[]#~"} | {"<": "&lt;", ">": "&gt;", "&": "&amp;", "\n": " "})


@dataclass(frozen=True)
class Column:
    """One column; its header ends in the unit where the cells have one."""

    header: str
    numeric: bool = False
    """Its cells stand on the right, and no terminal breaks them."""
    keep: int = 0
    """Narrow terminals drop the columns with the greatest number first; 0 stays."""
    drawn: bool = False
    """Its cells are bars, which a page alone draws."""


@dataclass(frozen=True)
class Cell:
    """What stands in one place."""

    text: str
    brackets: str = ""
    """Follows in brackets where there is room; a page has `notes` instead."""
    notes: tuple[str, ...] = ()
    """Small lines under the text, on a page."""
    style: str = ""
    """Class on a page."""
    bars: tuple[float, ...] = ()
    """Widths beside each other, 0..100 in all, of a drawn column."""

    @property
    def key(self) -> str:
        """What it is sorted by: the number that it begins with, else its text; nothing where a figure is missing."""
        number = NUMBER.match(self.text)
        return "" if self.text == MISSING else number.group().replace(",", "") if number else self.text

    def said(self, *, brackets: bool = True) -> str:
        """The text, and what follows in brackets."""
        return f"{self.text} ({self.brackets})" if self.brackets and brackets else self.text


@dataclass(frozen=True)
class Line:
    """One row: a cell a column."""

    cells: tuple[Cell, ...]
    picked: bool = False
    kind: str = ""
    """What a terminal colours it by."""


@dataclass(frozen=True)
class Table:
    """Columns, rows, and sentences that say what the columns mean."""

    columns: tuple[Column, ...]
    lines: tuple[Line, ...]
    legend: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for one in self.lines:
            if len(one.cells) != len(self.columns):
                raise ValueError(f"a row of {len(one.cells)} cells in a table of {len(self.columns)} columns")


def text_columns(*headers: str) -> tuple[Column, ...]:
    """Columns of words."""
    return tuple(map(Column, headers))


def number_columns(*headers: str) -> tuple[Column, ...]:
    """Columns of figures."""
    return tuple(Column(header, numeric=True) for header in headers)


def line(*cells: str | Cell, picked: bool = False, kind: str = "") -> Line:
    """A row of texts or cells."""
    return Line(tuple(Cell(one) if isinstance(one, str) else one for one in cells), picked, kind)


def escape(text: str) -> str:
    """Keep Markdown and HTML characters of a text from being read as markup."""
    return text.translate(SPECIAL)


def markdown(table: Table, *, bold: bool = False) -> str:
    """Lines of a pipe table, without a final newline; bold: picked rows are."""
    shown = [index for index, column in enumerate(table.columns) if not column.drawn]
    columns = [table.columns[index] for index in shown]
    rows = [[column.header for column in columns], ["---:" if column.numeric else ":---" for column in columns]]
    for one in table.lines:
        mark = "**" if one.picked and bold else ""
        rows.append([f"{mark}{escape(one.cells[index].said())}{mark}" for index in shown])
    return "\n".join(f"| {' | '.join(cells)} |" for cells in rows)


def bullets(sentences: Sequence[str]) -> str:
    """A Markdown list."""
    return "\n".join(f"- {escape(sentence)}" for sentence in sentences)
