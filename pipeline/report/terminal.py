"""The main table on a terminal."""

import io
from typing import Literal

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipeline.report.answer import answer
from pipeline.report.rows import Report
from pipeline.report.table import Column, columns, legend, sorted_rows

FILE_WIDTH = 1000  # a file has no edge: nothing is dropped or wrapped
TEXT_WIDTH = 100  # longer lines are hard to read
GAP = 2
KIND_STYLES = {"teacher": "yellow", "baseline": "dim", "student": "cyan", "artifact": ""}


def show_report(report: Report, console: Console) -> None:
    """Write the table, what its columns mean, and the answer to a console.

    On a terminal it is coloured and fits the width, down to 80 columns; elsewhere it is plain and complete.
    """
    if not console.is_terminal:
        console.out(plain_report(report), highlight=False)
        return
    table, dropped = report_table(report, console.width)
    width = min(console.width, TEXT_WIDTH)
    console.print(table)
    console.print()
    for sentence in legend(report):
        console.print(Text(sentence, style="dim"), width=width)
    if dropped:
        console.print(Text(f"Not shown for want of width: {', '.join(dropped)}.", style="dim"), width=width)
    console.print()
    console.print(Text(answer(report), style="bold"), width=width)


def plain_report(report: Report) -> str:
    """Lay out the same without colour and lines, one line a row, whatever the width."""
    table, _ = report_table(report, FILE_WIDTH, plain=True)
    paper = io.StringIO()
    Console(file=paper, width=FILE_WIDTH, color_system=None).print(table)
    lines = [line.rstrip() for line in paper.getvalue().splitlines()]
    return "\n".join([*lines, "", *legend(report), "", answer(report)])


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
    table = Table(
        box=None if plain else box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        padding=(0, GAP if plain else GAP - 1, 0, 0),
        header_style="" if plain else "bold",
    )
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
