"""What the page shows of each run: its report and logs, and its rows in the table of all runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from decant.table import MISSING, Cell, Column
from pipeline.report.main_table import label, main_table, sorted_rows
from pipeline.report.rows import Report, Row
from pipeline.report.training_logs import TrainingRecord

SIZES = ("layers", "dim")
TrainingLogs = Mapping[str, Sequence[TrainingRecord]]
"""What each training of a run logged, by its stage, such as embed or embedding/teacher0."""


@dataclass(frozen=True)
class PageRun:
    """One run: its report, where it is, and what its trainings logged."""

    report: Report
    folder: str = "."
    """As a command is to name it; paths of artifacts follow it."""
    logs: TrainingLogs = field(default_factory=dict)
    label: str = ""
    """What its rows are told apart by on a page of several runs; empty on a page of one."""
    gone: Mapping[str, str] = field(default_factory=dict)
    """What is missing of the rows' folders, by the row's name, where that was looked at."""

    @property
    def name(self) -> str:
        """The label, or else the recipe's name."""
        return self.label or str(self.report.recipe.get("name", "report"))


@dataclass(frozen=True)
class PageRow:
    """One row with its place on the page, and its cells after the model's name."""

    id: str
    run: PageRun
    row: Row
    label: str
    cells: tuple[Cell, ...]
    picked: bool


def page_columns(runs: Sequence[PageRun]) -> list[Column]:
    """Columns after the model's name: those of any run, then layers and dimensions."""
    found = {column.header: column for run in runs for column in main_table(run.report).columns[1:]}
    every = [row for run in runs for row in run.report.rows]
    more = [name for name in SIZES if any(getattr(row, name) is not None for row in every)]
    return [*found.values(), *(Column(name, numeric=True) for name in more)]


def page_rows(runs: Sequence[PageRun]) -> list[PageRow]:
    """Every row, run by run, in the order of the other reports."""
    columns, rows = page_columns(runs), list[PageRow]()
    for run in runs:
        table = main_table(run.report)
        for row, line in zip(sorted_rows(run.report), table.lines, strict=True):
            cells = {column.header: cell for column, cell in zip(table.columns, line.cells, strict=True)}
            cells |= {name: Cell(str(size)) for name in SIZES if (size := getattr(row, name)) is not None}
            shown = tuple(cells.get(column.header, Cell(MISSING)) for column in columns)
            rows.append(PageRow(f"row{len(rows)}", run, row, label(row), shown, line.picked))
    return rows
