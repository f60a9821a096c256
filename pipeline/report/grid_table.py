"""The grid of cuts as a table, for every format alike: a row a depth, a column a vector length."""

from dataclasses import dataclass

from pipeline.measure.grid import Cell, Grid
from pipeline.report.figures import METRIC_NAMES, MISSING, points, share

START = "start model"


@dataclass(frozen=True)
class GridRow:
    """One depth of one model. A cell is None where that cut was not measured."""

    name: str
    layers: int
    cells: tuple[Cell | None, ...]
    start: bool = False


def grid_header(grid: Grid) -> list[str]:
    """Column headers, the one of the depths first."""
    return ["layers", *[f"{dim} d" for dim in grid.dims]]


def grid_rows(grid: Grid) -> list[GridRow]:
    """The student from deep to shallow, then the start model cut the same way, where it was measured."""
    rows = [GridRow(str(layers), layers, tuple(grid.cell(layers, dim) for dim in grid.dims)) for layers in grid.layers]
    if not grid.has_start:
        return rows
    known = [row for row in rows if any(cell and cell.start_value is not None for cell in row.cells)]
    return rows + [GridRow(f"{row.layers}, {START}", row.layers, row.cells, start=True) for row in known]


def grid_cell(row: GridRow, cell: Cell | None, *, shares: bool = True) -> str:
    """Write one cut: 86.02 ±1.6 (99.1 %), or the start model's 45.00.

    Args:
        row: which the cell is of.
        cell: what to write.
        shares: with the share of the full cut's figure.
    """
    if cell is None or (row.start and cell.start_value is None):
        return MISSING
    if row.start:
        return points(cell.start_value or 0.0)
    return cut_with_interval(cell) + (f" ({share(cell.of_full)})" if shares and cell.of_full is not None else "")


def cut_with_interval(cell: Cell) -> str:
    """Main metric ×100 with half of its 95 % interval: 86.02 ±1.6."""
    low, high = cell.ci95
    return f"{points(cell.value)} ±{100 * (high - low) / 2:.1f}"


def grid_legend(grid: Grid, *, in_brackets: bool = True) -> list[str]:
    """Sentences that say what the table holds; in_brackets: shares of the full cut's figure stand there."""
    kept = "; in brackets the share of the full cut's" if in_brackets else ""
    said = [
        f"{METRIC_NAMES[grid.metric]} ×100 on {grid.set} ({grid.examples:,} examples), ± half of the 95 % bootstrap "
        f"interval, of one student cut to its first layers and its vectors' first dimensions{kept}."
    ]
    if grid.has_start:
        said.append("The start model is what the student was trained from, cut the same way.")
    said += _pca(grid)
    if grid.trained_on_labels is not None:
        labels = "this task's own training labels" if grid.trained_on_labels else "no label of this task"
        said.append(f"The student's training saw {labels}.")
    return said


def _pca(grid: Grid) -> list[str]:
    """One sentence on the whole depth's shorter lengths where PCA was measured beside them; else nothing."""
    cells = [cell for cell in grid.cells if cell.layers == grid.layers[0] and cell.pca_value is not None]
    found = [
        f"to {cell.dim} dimensions: {points(cell.pca_value or 0.0)} (trained: {points(cell.value)})" for cell in cells
    ]
    if not found:
        return []
    return [
        f"PCA of {grid.dims[0]} {'; '.join(found)}. It is fitted to the whole depth's vectors of texts that are not in "
        "the test set."
    ]
