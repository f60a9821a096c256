"""How alike the layers' attention maps are, as heat maps: layer against layer, and head by head."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize, to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from pipeline.report.grid_plot import legible
from pipeline.report.plot_theme import FONT_PX, LIGHT, Theme, new_figure, points_of, title

WRITTEN = 12  # numbers stand in the cells up to so many layers
ROW_PX, AROUND_PX = 36, 170  # height of a row, and of titles and axis
MOST_PX = 1400
TICKS = 16  # at most so many names along an axis


def attention_heat_map(
    layers: NDArray[np.floating], heads: NDArray[np.floating], groups: Sequence[Sequence[int]], theme: Theme = LIGHT
) -> Figure:
    """Draw both panels over one axis of layers; the layers that would share a map are framed.

    Args:
        layers: cosines [layers, layers].
        heads: cosines [heads, layers, layers], of which each layer's with the one before is drawn.
        groups: consecutive layer numbers.
    """
    count, numbered = len(layers), len(layers) <= WRITTEN
    before = np.full((len(heads), count), np.nan)
    before[:, 1:] = heads[:, np.arange(count - 1), np.arange(1, count)]
    figure, (upper, lower) = new_figure(theme, 2, min(MOST_PX, AROUND_PX + ROW_PX * (count + len(heads))))
    grid = upper.get_gridspec()
    assert grid is not None  # both panels are of one
    grid.set_height_ratios([count, len(heads)])
    colours = LinearSegmentedColormap.from_list("similarity", [theme.grid, theme.artifact])
    off_diagonal = layers[~np.eye(count, dtype=bool)]
    lowest = float(np.nanmin([*off_diagonal, *before[:, 1:].ravel(), 1.0]))
    shades = ScalarMappable(Normalize(min(lowest, 0.999), 1.0, clip=True), colours)
    for axis, values in ((upper, layers), (lower, before)):
        for (down, across), value in np.ndenumerate(values):
            if not np.isnan(value):
                _draw_cell(axis, down, across, float(value), shades, theme, numbered=numbered)
    for group in groups:
        corner, size = (group[0], group[0]), len(group)
        upper.add_patch(Rectangle(corner, size, size, fill=False, edgecolor=theme.ink, linewidth=2, zorder=3))
    _label(upper, count, count, "Layer", theme)
    _label(lower, len(heads), count, "Head", theme)
    lower.set_xlabel("Layer", color=theme.faint, fontsize=points_of(FONT_PX))
    framed = "; framed: would share one map" if groups else ""
    title(upper, f"Cosine of attention maps, layer by layer{framed}", theme)
    title(lower, "The same, head by head, of each layer with the one before", theme)
    figure.align_ylabels()
    if not numbered:
        bar = figure.colorbar(shades, ax=[upper, lower], aspect=50, pad=0.02)
        bar.outline.set_visible(False)
        bar.ax.tick_params(colors=theme.faint, labelsize=points_of(FONT_PX - 1), length=0)
    return figure


def _draw_cell(
    axis: Axes, down: int, across: int, value: float, shades: ScalarMappable, theme: Theme, *, numbered: bool
) -> None:
    red, green, blue, _ = map(float, shades.to_rgba(np.array([value]))[0])
    width = 2 if numbered else 0.5
    axis.add_patch(
        Rectangle((across, down), 1, 1, facecolor=(red, green, blue), edgecolor=theme.paper, linewidth=width)
    )
    if numbered:
        axis.text(
            across + 0.5, down + 0.5, f"{value:.2f}", color=legible(to_rgb((red, green, blue))),
            fontsize=points_of(FONT_PX - 1), ha="center", va="center",
        )  # fmt: skip


def _label(axis: Axes, rows: int, columns: int, down: str, theme: Theme) -> None:
    axis.grid(False)
    axis.spines["bottom"].set_visible(False)
    axis.set_xlim(0, columns)
    axis.set_ylim(rows, 0)
    axis.tick_params(labelbottom=True)
    for set_ticks, count in ((axis.set_xticks, columns), (axis.set_yticks, rows)):
        shown = range(0, count, -(-count // TICKS))
        set_ticks([number + 0.5 for number in shown], [str(number) for number in shown])
    axis.set_ylabel(down, color=theme.faint, fontsize=points_of(FONT_PX))
