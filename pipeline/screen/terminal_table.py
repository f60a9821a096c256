"""Tables on a terminal, in a pipe and in a file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rich import box
from rich.cells import cell_len
from rich.table import Table as RichTable
from rich.text import Text

from decant.table import Column, Line, Table

GAP = 2
NAME = 24  # a report's name is broken to this, before a column goes that is needed least
FEW = 12  # a column of words is broken to this, before one is left out
NO_EDGE = 100_000  # columns of a file or a pipe: every row is one line
KIND_STYLES = {"teacher": "yellow", "baseline": "dim", "student": "cyan", "start model": "dim"}


class Fitted(NamedTuple):
    """A table laid out for a width, and what of it was left out."""

    table: RichTable
    dropped: list[str]
    """Headers of the columns without room."""
    brackets: bool
    """Whether what stands in brackets had room."""


def command_table(table: Table, width: int = NO_EDGE) -> Fitted:
    """A command's table: its words are broken where they do not fit, its figures never."""
    kept, dropped = _with_room(table, width + GAP, two_lines=False, brackets=True, words=FEW)
    laid = RichTable(box=None, pad_edge=False)
    for index in kept:
        _add(laid, table.columns[index].header, table.columns[index])
    for line in table.lines:
        laid.add_row(*(Text(line.cells[index].said()) for index in kept))
    return Fitted(laid, dropped, True)


def left_out(what: Sequence[str]) -> list[str]:
    """A sentence on the columns that had no room; none where all had."""
    return [f"Left out to fit the width: {', '.join(what)}; `| cat` shows all."] if what else []


def report_table(table: Table, width: int, *, plain: bool = False, two_lines: bool = False) -> Fitted:
    """A report's table: the picked row is marked.

    Args:
        table: what to show.
        width: columns available; what stands in brackets goes first, then, with words broken, the columns that are
            needed least, then the last ones; the first stays.
        plain: without colour and lines.
        two_lines: headers are broken at their first space, since the figures below are narrower.
    """
    brackets = _needed(table, range(len(table.columns)), two_lines, brackets=True, words=NO_EDGE) <= width
    kept, dropped = _with_room(table, width, two_lines, brackets, words=NAME)
    laid = RichTable(
        box=None if plain else box.SIMPLE_HEAD, show_edge=False, pad_edge=False,
        padding=(0, GAP if plain else GAP - 1, 0, 0), header_style="" if plain else "bold",
    )  # fmt: skip
    for column in (table.columns[index] for index in kept):
        header = _header(column, two_lines)
        _add(laid, header if laid.columns or two_lines else f"  {header}", column)
    for line in table.lines:
        first, *others = _texts(line, kept, brackets)
        style = "" if plain else "bold green" if line.picked else KIND_STYLES.get(line.kind, "")
        laid.add_row(Text(f"{'>' if line.picked else ' '} {first}"), *map(Text, others), style=style)
    return Fitted(laid, dropped, brackets)


def _add(laid: RichTable, header: str, column: Column) -> None:
    laid.add_column(header, justify="right" if column.numeric else "left", no_wrap=column.numeric, overflow="fold")


def _header(column: Column, two_lines: bool) -> str:
    if not two_lines:
        return column.header
    return column.header.replace(" ", "\n", 1) if " " in column.header else f"\n{column.header}"


def _texts(line: Line, kept: Sequence[int], brackets: bool) -> list[str]:
    return [line.cells[index].said(brackets=brackets) for index in kept]


def _with_room(table: Table, width: int, two_lines: bool, brackets: bool, words: int) -> tuple[list[int], list[str]]:
    """Places of the columns that stay, and headers of the others in the order in which they go.

    Columns with a number go once those of words, broken to `words`, have no room; others once these are broken to FEW.
    """
    kept, gone = list(range(len(table.columns))), list[int]()
    while _needed(table, kept, two_lines, brackets, words) > width:
        last = max(kept, key=lambda index: table.columns[index].keep)
        if table.columns[last].keep == 0:
            break
        kept.remove(last)
        gone.append(last)
    while len(kept) > 1 and _needed(table, kept, two_lines, brackets, FEW) > width:
        gone.append(kept.pop())
    return kept, [table.columns[index].header for index in gone]


def _needed(table: Table, kept: Sequence[int], two_lines: bool, brackets: bool, words: int) -> int:
    """Columns that the table takes, where columns of words are broken to `words` of them."""
    needed = 0
    for index in kept:
        column = table.columns[index]
        header = max(map(cell_len, _header(column, two_lines).split("\n")))
        widest = max((cell_len(line.cells[index].said(brackets=brackets)) for line in table.lines), default=0)
        needed += max(header, widest if column.numeric else min(widest, words))
    return needed + GAP * len(kept)  # the gap after the last is the mark before the first
