"""The main table, and that of the cuts, on a terminal."""

import io
from typing import Literal

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from decant.errors import visible
from pipeline.measure.grid import Grid
from pipeline.report.answer import answer
from pipeline.report.grid_table import grid_cell, grid_header, grid_legend, grid_rows
from pipeline.report.rows import Report
from pipeline.report.table import Column, columns, legend, sorted_rows
from pipeline.screen.text_console import LAYOUT, text_console

FILE_WIDTH = 1000  # a file has no edge: nothing is dropped or wrapped
TEXT_WIDTH = 100  # longer lines are hard to read
GAP = 2
KIND_STYLES = {"teacher": "yellow", "baseline": "dim", "student": "cyan", "artifact": ""}


def show_report(report: Report, console: Console) -> None:
    """Write the table, what its columns mean, and the answer to a console.

    On a terminal it is coloured and fits the width, down to 80 columns; elsewhere it is plain and complete.
    """
    if not console.is_terminal:
        console.out(visible(plain_report(report), LAYOUT), highlight=False)
        return
    table, dropped = report_table(report, console.width)
    width = min(console.width, TEXT_WIDTH)
    console.print(table)
    console.print()
    for sentence in legend(report):
        console.print(Text(sentence, style="dim"), width=width)
    if dropped:
        console.print(Text(f"Not shown for want of width: {', '.join(dropped)}.", style="dim"), width=width)
    if report.grid is not None:
        cuts, shares = grid_table(report.grid, console.width)
        console.print()
        console.print(cuts)
        console.print()
        for sentence in grid_legend(report.grid, in_brackets=shares):
            console.print(Text(sentence, style="dim"), width=width)
        if not shares:
            console.print(Text("Not shown for want of width: shares of the full cut.", style="dim"), width=width)
    console.print()
    console.print(Text(answer(report), style="bold"), width=width)


def plain_report(report: Report) -> str:
    """Lay out the same without colour and lines, one line a row, whatever the width."""
    table, _ = report_table(report, FILE_WIDTH, plain=True)
    parts = [*_plain_lines(table), "", *legend(report), ""]
    if report.grid is not None:
        cuts, _ = grid_table(report.grid, FILE_WIDTH, plain=True)
        parts += [*_plain_lines(cuts), "", *grid_legend(report.grid), ""]
    return "\n".join([*parts, answer(report)])


def report_table(report: Report, width: int, *, plain: bool = False) -> tuple[Table, list[str]]:
    """Lay the rows out for a width.

    Args:
        report: what to show.
        width: columns available.
        plain: without colour and lines.

    Returns:
        The table, and the headers of those columns that did not fit.
    """
    rows = sorted_rows(report)
    all_columns = columns(report)
    shown, dropped = _fit({c: [c.cell(row) for row in rows] for c in all_columns}, width)
    table = _empty_table(plain)
    for column in shown:
        justify: Literal["left", "right"] = "right" if column.numeric else "left"
        table.add_column(_header(column), justify=justify, no_wrap=column.numeric, overflow="fold")
    for row in rows:
        picked = row.name == report.selected
        cells = [Text(column.cell(row)) for column in shown]
        cells[0] = Text("> " if picked else "  ") + cells[0]
        style = "" if plain else "bold green" if picked else KIND_STYLES[row.kind]
        table.add_row(*cells, style=style)
    return table, dropped


def grid_table(grid: Grid, width: int, *, plain: bool = False) -> tuple[Table, bool]:
    """Lay the cuts out for a width: a line a depth, a column a vector length.

    Args:
        grid: what to show.
        width: columns available; where the shares of the full cut do not fit they are left out.
        plain: without colour and lines.

    Returns:
        The table, and whether it holds the shares.
    """
    first, *dims = grid_header(grid)
    rows, header = grid_rows(grid), [f"  {first}", *dims]

    def lines(shares: bool) -> list[list[str]]:
        return [[f"  {row.name}", *[grid_cell(row, cell, shares=shares) for cell in row.cells]] for row in rows]

    def needed(texts: list[list[str]]) -> int:
        widest = [max(map(cell_len, column)) for column in zip(header, *texts, strict=True)]
        return sum(widest) + GAP * len(widest)

    shares = needed(lines(shares=True)) <= width
    table = _empty_table(plain)
    for index, name in enumerate(header):
        table.add_column(name, justify="right" if index else "left", no_wrap=True)
    for row, cells in zip(rows, lines(shares), strict=True):
        table.add_row(*map(Text, cells), style="dim" if row.start and not plain else "")
    return table, shares


def _empty_table(plain: bool) -> Table:
    return Table(
        box=None if plain else box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        padding=(0, GAP if plain else GAP - 1, 0, 0),
        header_style="" if plain else "bold",
    )


def _plain_lines(table: Table) -> list[str]:
    paper = io.StringIO()
    text_console(file=paper, width=FILE_WIDTH, color_system=None).print(table)
    return [line.rstrip() for line in paper.getvalue().splitlines()]


def _header(column: Column) -> str:
    """Header on two lines, since the figures below are narrower."""
    return column.header.replace(" ", "\n", 1) if " " in column.header else f"\n{column.header}"


def _fit(cells: dict[Column, list[str]], width: int) -> tuple[list[Column], list[str]]:
    """Drop columns, the least needed first, until the rest fits."""

    def needed(columns: list[Column]) -> int:
        widest = [max(cell_len(text) for text in [*_header(column).split("\n"), *cells[column]]) for column in columns]
        return sum(widest) + GAP * len(columns)  # the gap after the last is the mark before the first

    kept, dropped = list(cells), []
    while needed(kept) > width:
        last = max(kept, key=lambda column: column.keep)
        if last.keep == 0:
            break
        kept.remove(last)
        dropped.append(last.header)
    return kept, dropped
