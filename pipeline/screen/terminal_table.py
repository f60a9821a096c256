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
KIND_STYLES = {"teacher": "yellow", "baseline": "dim", "student": "cyan", "start model": "dim"}


class Fitted(NamedTuple):
    """A table laid out for a width, and what of it was left out."""

    table: RichTable
    dropped: list[str]
    """Headers of the columns without room."""
    brackets: bool
    """Whether what stands in brackets had room."""


def command_table(table: Table) -> RichTable:
    """A command's table: its words are broken where they do not fit, its figures never."""
    laid = RichTable(box=None, pad_edge=False)
    for column in table.columns:
        _add(laid, column.header, column)
    for line in table.lines:
        laid.add_row(*(Text(cell.said()) for cell in line.cells))
    return laid


def report_table(table: Table, width: int, *, plain: bool = False, two_lines: bool = False) -> Fitted:
    """A report's table: the picked row is marked.

    Args:
        table: what to show.
        width: columns available; what stands in brackets goes first, then the columns that are needed least.
        plain: without colour and lines.
        two_lines: headers are broken at their first space, since the figures below are narrower.
    """
    brackets = _needed(table, table.columns, two_lines, brackets=True) <= width
    kept, dropped = list(table.columns), []
    while _needed(table, kept, two_lines, brackets) > width:
        last = max(kept, key=lambda column: column.keep)
        if last.keep == 0:
            break
        kept.remove(last)
        dropped.append(last.header)
    laid = RichTable(
        box=None if plain else box.SIMPLE_HEAD, show_edge=False, pad_edge=False,
        padding=(0, GAP if plain else GAP - 1, 0, 0), header_style="" if plain else "bold",
    )  # fmt: skip
    for column in kept:
        header = _header(column, two_lines)
        _add(laid, header if laid.columns or two_lines else f"  {header}", column)
    for line in table.lines:
        first, *others = _texts(table, line, kept, brackets)
        style = "" if plain else "bold green" if line.picked else KIND_STYLES.get(line.kind, "")
        laid.add_row(Text(f"{'>' if line.picked else ' '} {first}"), *map(Text, others), style=style)
    return Fitted(laid, dropped, brackets)


def _add(laid: RichTable, header: str, column: Column) -> None:
    laid.add_column(header, justify="right" if column.numeric else "left", no_wrap=column.numeric, overflow="fold")


def _header(column: Column, two_lines: bool) -> str:
    if not two_lines:
        return column.header
    return column.header.replace(" ", "\n", 1) if " " in column.header else f"\n{column.header}"


def _texts(table: Table, line: Line, kept: Sequence[Column], brackets: bool) -> list[str]:
    pairs = zip(table.columns, line.cells, strict=True)
    return [cell.said(brackets=brackets) for column, cell in pairs if column in kept]


def _needed(table: Table, kept: Sequence[Column], two_lines: bool, brackets: bool) -> int:
    headers = [max(map(cell_len, _header(column, two_lines).split("\n"))) for column in kept]
    widths = [[cell_len(text) for text in _texts(table, line, kept, brackets)] for line in table.lines]
    widest = map(max, zip(headers, *widths, strict=True))
    return sum(widest) + GAP * len(kept)  # the gap after the last is the mark before the first
