"""The page's table: every row of every run, its cells beside what they are sorted by."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.report.figures import MISSING
from pipeline.report.page.page_run import PageRun
from pipeline.report.rows import Row
from pipeline.report.table import columns, label, sorted_rows

NUMBER = re.compile(r"[+-]?[\d,]*\.?\d+")


@dataclass(frozen=True)
class Header:
    """One column; numbers stand on the right."""

    name: str
    numeric: bool


@dataclass(frozen=True)
class PageCell:
    """What is read, and what it is sorted by: a number, the text, or nothing where it was not measured."""

    text: str
    key: str


@dataclass(frozen=True)
class PageRow:
    """One row with its place on the page."""

    id: str
    run: PageRun
    row: Row
    label: str
    cells: tuple[PageCell, ...]
    picked: bool


def headers(runs: Sequence[PageRun]) -> list[Header]:
    """Columns after the model's name: those of any run, then layers and dimensions."""
    found = {c.header: Header(c.header, c.numeric) for run in runs for c in columns(run.report)[1:]}
    every = [row for run in runs for row in run.report.rows]
    more = [name for name in ("layers", "dim") if any(getattr(row, name) is not None for row in every)]
    return [*found.values(), *(Header(name, True) for name in more)]


def page_rows(runs: Sequence[PageRun]) -> list[PageRow]:
    """Every row, run by run, in the order of the other reports."""
    shown = [header.name for header in headers(runs)]
    rows: list[PageRow] = []
    for run in runs:
        by_name = {column.header: column for column in columns(run.report)}
        for row in sorted_rows(run.report):
            sizes = {"layers": row.layers, "dim": row.dim}
            texts = [
                by_name[name].cell(row) if name in by_name else MISSING if sizes.get(name) is None else str(sizes[name])
                for name in shown
            ]
            cells = tuple(PageCell(text, sort_key(text)) for text in texts)
            rows.append(PageRow(f"row{len(rows)}", run, row, label(row), cells, row.name == run.report.selected))
    return rows


def sort_key(text: str) -> str:
    """The number that a cell begins with, without commas; else its text, and nothing for a missing one."""
    number = NUMBER.match(text)
    return "" if text == MISSING else number.group().replace(",", "") if number else text
