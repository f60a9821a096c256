import io

import pytest
from rich.console import Console

from pipeline.report.rows import Report
from pipeline.report.terminal import plain_report, show_report


def shown(report: Report, width: int, *, terminal: bool) -> str:
    paper = io.StringIO()
    show_report(report, Console(file=paper, width=width, force_terminal=terminal, color_system=None))
    return paper.getvalue()


@pytest.mark.parametrize("width", [80, 100, 140])
def test_every_row_is_one_line_and_no_line_is_too_wide(report: Report, width: int) -> None:
    lines = shown(report, width, terminal=True).splitlines()
    assert max(map(len, lines)) <= width
    for row in report.rows:
        (line,) = [text for text in lines if text.strip("> ").startswith(f"{row.name} ")]
        assert f"{100 * row.metrics['stsb/test'].value:.2f}" in line


def test_what_does_not_fit_is_named(report: Report) -> None:
    assert "Not shown for want of width" not in shown(report, 100, terminal=True)
    assert "Not shown for want of width: precision" in shown(report, 70, terminal=True)


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
