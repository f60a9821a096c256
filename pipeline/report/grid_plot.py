"""The grid of cuts as a heat map: what each depth and vector length keeps, at a glance."""

from collections.abc import Callable

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, Normalize, to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from decant.table import MISSING
from pipeline.measure.grid import Cell, Grid
from pipeline.report.figures import METRIC_NAMES, points
from pipeline.report.plot_theme import FONT_PX, LIGHT, Theme, new_figure, points_of, title
from pipeline.report.rows import Report

ROW_PX, AROUND_PX = 44, 110  # height of one depth, and of title and axis
GAP = 0.35  # between the two models, in cells
Colour = tuple[float, float, float]


def accuracy_grid(report: Report, theme: Theme = LIGHT) -> Figure | None:
    """Draw the main metric ×100 of every cut, layers down and dimensions across, the selected cut outlined.

    Where the start model was measured too, its cuts stand on the right, in the same colours: these span the
    student's figures, so that what falls below them all is as pale as the lowest.

    Returns:
        The figure, or None where the report has no grid.
    """
    grid = report.grid
    if grid is None:
        return None
    figure, (axis,) = new_figure(theme, height_px=AROUND_PX + ROW_PX * len(grid.layers))
    student = _values(grid, lambda cell: cell.value)
    colours = LinearSegmentedColormap.from_list("cuts", [theme.grid, theme.artifact])
    scale = Normalize(float(np.nanmin(student)), float(np.nanmax(student)), clip=True)
    blocks = [(0.0, student)]
    if grid.has_start:
        blocks.append((len(grid.dims) + GAP, _values(grid, lambda cell: cell.start_value)))
    for left, values in blocks:
        for (down, across), value in np.ndenumerate(values):
            colour = to_rgb(theme.paper) if np.isnan(value) else to_rgb(colours(float(scale(value))))
            _draw_cell(axis, left + across, down, colour, value, theme)
    _label(axis, grid, [left for left, _ in blocks], theme)
    outlined = "; outlined: selected" if _outline_selected(axis, report, grid, theme) else ""
    title(axis, f"{METRIC_NAMES[grid.metric]} ×100 on {grid.set} by layers and dimensions kept{outlined}", theme)
    return figure


def contrast(first: Colour, second: Colour) -> float:
    """Contrast of two sRGB colours, 1..21, by WCAG 2.2's definition of contrast ratio."""
    bright, dim = sorted((_luminance(first), _luminance(second)), reverse=True)
    return (bright + 0.05) / (dim + 0.05)


def legible(background: Colour) -> str:
    """Black or white, whichever stands out more: on every colour one of them has a contrast above 4.5."""
    return max(("#000000", "#ffffff"), key=lambda text: contrast(to_rgb(text), background))


def _values(grid: Grid, value: Callable[[Cell], float | None]) -> NDArray[np.float64]:
    """Metric ×100 by [layers, dims]; NaN where it was not measured."""
    cells = [[grid.cell(layers, dim) for dim in grid.dims] for layers in grid.layers]
    found = [[None if cell is None else value(cell) for cell in row] for row in cells]
    return np.array([[np.nan if one is None else one for one in row] for row in found])


def _draw_cell(axis: Axes, left: float, top: float, colour: Colour, value: float, theme: Theme) -> None:
    axis.add_patch(Rectangle((left, top), 1, 1, facecolor=colour, edgecolor=theme.paper, linewidth=2))
    text = MISSING if np.isnan(value) else points(value)
    axis.text(
        left + 0.5, top + 0.5, text, color=legible(colour), fontsize=points_of(FONT_PX + 1),
        ha="center", va="center",
    )  # fmt: skip


def _outline_selected(axis: Axes, report: Report, grid: Grid, theme: Theme) -> bool:
    """Frame the cut that the selected row is of; whether there is one."""
    row = report.row(report.selected) if report.selected is not None else None
    if row is None or row.layers is None or row.dim is None or grid.cell(row.layers, row.dim) is None:
        return False
    corner = grid.dims.index(row.dim), grid.layers.index(row.layers)
    axis.add_patch(Rectangle(corner, 1, 1, fill=False, edgecolor=theme.ink, linewidth=2, zorder=3, clip_on=False))
    return True


def _label(axis: Axes, grid: Grid, lefts: list[float], theme: Theme) -> None:
    """Name depths, lengths and, where there are two, models."""
    axis.grid(False)
    axis.spines["bottom"].set_visible(False)
    axis.set_xlim(0, lefts[-1] + len(grid.dims))
    axis.set_ylim(len(grid.layers), 0)
    axis.set_xticks(
        [left + index + 0.5 for left in lefts for index in range(len(grid.dims))],
        [f"{dim} d" for _ in lefts for dim in grid.dims],
    )
    axis.set_yticks([index + 0.5 for index in range(len(grid.layers))], [str(layers) for layers in grid.layers])
    axis.set_ylabel("Layers", color=theme.faint, fontsize=points_of(FONT_PX))
    if len(lefts) > 1:
        axis.xaxis.remove_overlapping_locs = False  # a model's name may stand under a length's
        models = "\nstudent", "\nstart model, cut the same way"
        axis.set_xticks([left + len(grid.dims) / 2 for left in lefts], models, minor=True)


def _luminance(colour: Colour) -> float:
    """Relative luminance, 0..1, by WCAG 2.2's definition."""
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in colour]
    return float(np.dot(linear, (0.2126, 0.7152, 0.0722)))
