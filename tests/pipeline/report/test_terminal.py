import io
import re

import pytest
from rich.console import Console

from pipeline.measure.grid import Cell, Grid
from pipeline.report.grid_table import grid_table
from pipeline.report.main_table import main_table
from pipeline.report.rows import Report
from pipeline.report.terminal import plain_report, show_report


def shown(report: Report, width: int, *, terminal: bool) -> str:
    paper = io.StringIO()
    show_report(report, Console(file=paper, width=width, force_terminal=terminal, color_system=None))
    return paper.getvalue()


@pytest.mark.parametrize("width", [60, 80, 100, 140])
def test_every_row_is_one_line_and_no_line_is_too_wide(report: Report, width: int) -> None:
    lines = shown(report, width, terminal=True).splitlines()
    assert max(map(len, lines)) <= width
    for row in report.rows:
        (line,) = [text for text in lines if text.strip("> ").startswith(f"{row.name} ")]
        assert f"{100 * row.metrics['stsb/test'].value:.2f}" in line


def test_what_does_not_fit_is_named(report: Report) -> None:
    assert "Left out to fit the width" not in shown(report, 100, terminal=True)
    assert "Left out to fit the width: precision" in shown(report, 70, terminal=True)


@pytest.mark.parametrize("width", [24, 40, 60, 80])
def test_whatever_the_width_a_column_is_shown_whole_or_named(report: Report, grid: Grid, width: int) -> None:
    text = shown(report.model_copy(update={"grid": grid}), width, terminal=True)
    tables = [main_table(report), grid_table(grid)]
    gone = re.findall(r"Left out to fit the width: ([^;]*); `\| cat`", " ".join(text.split()))
    named = {header for one in gone for header in one.split(", ")}
    assert named <= {"shares of the full cut", *(column.header for table in tables for column in table.columns)}
    for table in tables:
        for index, column in enumerate(table.columns):
            cells = {line.cells[index].text for line in table.lines} if column.header not in named else set()
            assert [cell for cell in cells if cell not in text] == [], column.header
    assert ("MiB" in named) == (width < 80)
    assert max(map(len, text.splitlines())) <= width


def test_the_pick_is_marked_without_colour(report: Report) -> None:
    marked = [line for line in shown(report, 100, terminal=True).splitlines() if line.startswith("> ")]
    assert len(marked) == 1
    assert "L6xD384-int8" in marked[0]


def test_a_file_gets_everything_plain_whatever_its_width(report: Report) -> None:
    text = shown(report, 40, terminal=False)
    assert text == plain_report(report) + "\n"
    assert "\x1b" not in text
    assert "─" not in text
    assert "> L6xD384-int8  int8       85.50 ±1.5    +0.50         900     1.30  22.3      15×   4.0×" in text
    text.encode("cp1252")  # a Windows console without UTF-8 can show it


def test_brackets_in_names_are_not_markup(report: Report) -> None:
    odd = report.row("student").model_copy(update={"name": "[red]x[/red]"})
    text = shown(report.model_copy(update={"rows": (*report.rows, odd)}), 120, terminal=True)
    assert "[red]x[/red]" in text


def test_cuts_follow_the_main_table_in_every_width(report: Report, grid: Grid) -> None:
    nested = report.model_copy(update={"grid": grid})
    table, legend, cuts, cuts_legend, answer = plain_report(nested).split("\n\n")
    assert [table, legend, answer] == plain_report(report).split("\n\n")
    assert [line.split("  ")[1] for line in cuts.splitlines()] == [
        "layers",
        "6",
        "3",
        "6, start model",
        "3, start model",
    ]
    assert cuts.splitlines()[2].endswith("  87.00 ±1.5 (98.9 %)                    –")
    assert "The student's training saw" in cuts_legend
    wide = shown(nested, 80, terminal=True)
    assert "87.00 ±1.5 (98.9 %)" in wide
    assert "Left out to fit the width: shares" not in wide
    narrow = shown(nested, 50, terminal=True)
    assert "(98.9 %)" not in narrow
    assert "Left out to fit the width: shares of the full" in narrow


def test_a_wide_grid_fits_eighty_columns(report: Report, grid: Grid) -> None:
    dims = (384, 256, 128, 64, 32)
    cells = tuple(Cell(layers=6, dim=dim, value=0.8, ci95=(0.79, 0.81), of_full=1) for dim in dims)
    nested = report.model_copy(update={"grid": grid.model_copy(update={"cells": cells})})
    lines = shown(nested, 80, terminal=True).splitlines()
    assert max(map(len, lines)) <= 80
    (line,) = [text for text in lines if text.startswith("  6 ")]
    assert line.count("80.00 ±1.0") == 5
