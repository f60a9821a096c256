"""The grid of cuts as a table, for every format alike: a row a depth, a column a vector length."""

from decant.table import MISSING, Cell, Column, Table, line, number_columns
from pipeline.measure.grid import Cell as Cut
from pipeline.measure.grid import Grid
from pipeline.report.figures import METRIC_NAMES, counted, or_missing, points, share, with_half
from pipeline.report.rows import Row

START = "start model"
HEAT_STEPS = 8  # classes heat0..heat7 of the page's style


def grid_table(grid: Grid, selected: Row | None = None) -> Table:
    """The student from deep to shallow, then the start model cut the same way, where it was measured.

    Args:
        grid: what to show.
        selected: the row whose cut is outlined on a page.
    """
    cuts = {layers: [grid.cell(layers, dim) for dim in grid.dims] for layers in grid.layers}
    lines = [line(str(layers), *(_cell(grid, cut, selected) for cut in row)) for layers, row in cuts.items()]
    for layers, row in cuts.items():
        values = [cut.start_value if cut else None for cut in row]
        if any(value is not None for value in values):
            lines.append(line(f"{layers}, {START}", *(or_missing(value, points) for value in values), kind=START))
    columns = (Column("layers"), *number_columns(*(f"{dim} d" for dim in grid.dims)))
    return Table(columns, tuple(lines), tuple(grid_legend(grid)))


def heat(grid: Grid, cut: Cut) -> int:
    """Step of a cell's colour, 0..HEAT_STEPS-1, between the least and the greatest of the grid."""
    values = [one.value for one in grid.cells]
    span = max(values) - min(values)
    return min(HEAT_STEPS - 1, int(HEAT_STEPS * (cut.value - min(values)) / span)) if span > 0 else HEAT_STEPS - 1


def _cell(grid: Grid, cut: Cut | None, selected: Row | None) -> Cell:
    """One cut: 86.02 ±1.6 (99.1 %)."""
    if cut is None:
        return Cell(MISSING)
    outlined = selected is not None and (selected.layers, selected.dim) == (cut.layers, cut.dim)
    kept = share(cut.of_full) if cut.of_full is not None else ""
    notes = [f"{kept} of the full cut"] if kept else []
    notes += [f"{START} {points(cut.start_value)}"] if cut.start_value is not None else []
    style = f"heat{heat(grid, cut)}{' in-pick' if outlined else ''}"
    return Cell(with_half(cut.value, cut.ci95), kept, tuple(notes), style)


def grid_legend(grid: Grid, *, in_brackets: bool = True) -> list[str]:
    """Sentences that say what the table holds; in_brackets: shares of the full cut's figure stand there."""
    kept = "; in brackets the share of the full cut's" if in_brackets else ""
    said = [
        f"{METRIC_NAMES[grid.metric]} ×100 on {grid.set} ({counted(grid.examples, grid.metric)}), ± half of the "
        f"95 % bootstrap interval, of one student cut to its first layers and its vectors' first dimensions{kept}."
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
