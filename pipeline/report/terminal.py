"""The main table, and that of the cuts, on a terminal."""

import io
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from decant.errors import visible
from pipeline.report.grid_table import grid_legend, grid_table
from pipeline.report.main_table import main_table
from pipeline.report.pick_sentence import pick_notes, pick_sentence
from pipeline.report.rows import Report
from pipeline.report.suite_table import report_suite
from pipeline.screen.terminal_table import NO_EDGE, left_out, report_table
from pipeline.screen.text_console import LAYOUT, text_console

TEXT_WIDTH = 100  # longer lines are hard to read


def show_report(report: Report, console: Console) -> None:
    """Write the table, what its columns mean, and the pick to a console.

    On a terminal it is coloured and fits the width, down to 80 columns; elsewhere it is plain and complete.
    """
    if not console.is_terminal:
        console.out(visible(plain_report(report), LAYOUT), highlight=False)
        return
    main = main_table(report)
    shown = report_table(main, console.width, two_lines=True)
    _print(console, shown.table, [*main.legend, *left_out(shown.dropped)])
    suite = report_suite(report)
    if suite.lines:
        shown = report_table(suite, console.width)
        _print(console, shown.table, [*suite.legend, *left_out(shown.dropped)])
    if report.grid is not None:
        cuts = report_table(grid_table(report.grid), console.width)
        dropped = left_out([*([] if cuts.brackets else ["shares of the full cut"]), *cuts.dropped])
        _print(console, cuts.table, [*grid_legend(report.grid, in_brackets=cuts.brackets), *dropped])
    console.print(Text(pick_sentence(report), style="bold"), width=min(console.width, TEXT_WIDTH))
    for sentence in pick_notes(report):
        console.print(Text(sentence), width=min(console.width, TEXT_WIDTH))


def plain_report(report: Report) -> str:
    """Lay out the same without colour and lines, one line a row, whatever the width."""
    tables = [(main_table(report), True), *((one, False) for one in (report_suite(report),) if one.lines)]
    tables += [(grid_table(report.grid), False)] if report.grid is not None else []
    parts: list[str] = []
    for table, two_lines in tables:
        laid = report_table(table, NO_EDGE, plain=True, two_lines=two_lines).table
        parts += [*_plain_lines(laid), "", *table.legend, ""]
    return "\n".join([*parts, pick_sentence(report), *pick_notes(report)])


def _print(console: Console, table: RichTable, legend: Sequence[str]) -> None:
    console.print(table)
    console.print()
    for sentence in legend:
        console.print(Text(sentence, style="dim"), width=min(console.width, TEXT_WIDTH))
    console.print()


def _plain_lines(table: RichTable) -> list[str]:
    paper = io.StringIO()
    text_console(file=paper, width=NO_EDGE, color_system=None).print(table)
    return [line.rstrip() for line in paper.getvalue().splitlines()]
