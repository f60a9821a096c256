"""Accuracy against latency: what each model costs and gives, at a glance."""

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from pipeline.report.figures import METRIC_NAMES, points
from pipeline.report.main_table import label, references
from pipeline.report.place_labels import Box, place_labels
from pipeline.report.plot_theme import DPI, FONT_PX, LIGHT, MARKERS, Theme, new_figure, points_of, title
from pipeline.report.rows import Kind, Report

NAMED_AT_MOST = 12  # with more rows only those are named that the choice is about
STEP = 0.08  # of the span of the best line's values: what rises less is the same step of it
BESIDE = 1.15  # times the cost of another point


@dataclass(frozen=True)
class Point:
    """One row in the plot: milliseconds, and metric ×100 with its interval."""

    milliseconds: float
    value: float
    low: float
    high: float
    kind: Kind
    text: str
    selected: bool


def accuracy_against_latency(report: Report, theme: Theme = LIGHT) -> Figure | None:
    """Draw each row's main metric over its milliseconds for one text, with its 95 % interval.

    A dashed line joins the rows that no other row beats in both. Rows without a latency, such as counted
    words, are told above the plot. Where there are more than NAMED_AT_MOST rows, one artifact a step of the line has a
    name, and the selected one; the others are drawn fainter.

    Returns:
        The figure, or None where fewer than two rows have both figures.
    """
    set_name = references(report).set_name
    rated = [row for row in report.rows if set_name in row.metrics]
    timed = [row for row in rated if "1" in row.latency_ms]
    if set_name is None or len(timed) < 2:
        return None
    shown = []
    for row in timed:
        value, (low, high) = row.metrics[set_name].value, row.metrics[set_name].ci95
        text = f"{label(row)}  {points(value)}"
        milliseconds = row.latency_ms["1"].p50
        shown.append(
            Point(milliseconds, 100 * value, 100 * low, 100 * high, row.kind, text, row.name == report.selected)
        )
    figure, (axis,) = new_figure(theme)
    front = [shown[i] for i in pareto_front([p.milliseconds for p in shown], [p.value for p in shown])]
    few = len(shown) <= NAMED_AT_MOST
    selected = next((p for p in shown if p.selected), None)
    steps = distinct_steps(front, selected)
    named = [p for p in shown if few or p.kind != "artifact" or p.selected or p in steps]
    _draw(axis, shown, front, named, theme)
    pair = " (the teacher: one pair)" if any(row.pairs_per_second for row in timed) else ""
    axis.set_xlabel(
        f"Milliseconds for one text{pair}, median, log scale", color=theme.faint, fontsize=points_of(FONT_PX)
    )
    name = METRIC_NAMES[timed[0].metrics[set_name].metric]
    untimed = [f"{label(row)} {points(row.metrics[set_name].value)}" for row in rated if row not in timed]
    rest = f". Not timed: {', '.join(untimed)}" if untimed else ""
    title(axis, f"{name} ×100 on {set_name}, with 95 % intervals{rest}", theme)
    _name_points(figure, axis, named, shown, theme)
    return figure


def pareto_front(costs: Sequence[float], gains: Sequence[float]) -> list[int]:
    """Indices of the points that no cheaper point equals in gain, by rising cost."""
    front: list[int] = []
    for index in sorted(range(len(costs)), key=lambda i: (costs[i], -gains[i])):
        if not front or gains[index] > gains[front[-1]]:
            front.append(index)
    return front


def distinct_steps(front: Sequence[Point], selected: Point | None = None) -> list[Point]:
    """One point of each step of the line, by rising cost: the selected one, else the cheapest.

    A step holds what lies less than STEP of the line's span above its first point. The selected one stands for a
    step that it lies beside, too.
    """
    if not front:
        return []
    room = STEP * (front[-1].value - front[0].value)
    steps: list[list[Point]] = []
    for point in front:
        if steps and point.value - steps[-1][0].value < room:
            steps[-1].append(point)
        else:
            steps.append([point])
    firsts = [next((point for point in step if point.selected), step[0]) for step in steps]
    return [one for one in firsts if selected is None or one.selected or not _beside(one, selected, room)]


def _beside(one: Point, other: Point, room: float) -> bool:
    """Whether two points would be named at about the same place."""
    near = max(one.milliseconds, other.milliseconds) < BESIDE * min(one.milliseconds, other.milliseconds)
    return near and abs(one.value - other.value) < room


def _draw(axis: Axes, shown: Sequence[Point], front: Sequence[Point], named: Sequence[Point], theme: Theme) -> None:
    """Draw points, intervals, the line of the best, and a log scale; what has no name is drawn fainter."""
    line_x, line_y = [p.milliseconds for p in front], [p.value for p in front]
    axis.plot(line_x, line_y, color=theme.faint, linewidth=1.2, linestyle=(0, (4, 3)), zorder=2)
    for point in sorted(shown, key=lambda point: (point in named, point.selected)):
        clear = point in named
        axis.errorbar(
            point.milliseconds, point.value,
            yerr=[[max(0.0, point.value - point.low)], [max(0.0, point.high - point.value)]],
            fmt=MARKERS[point.kind], color=theme.of(point.kind), markersize=9 if point.selected else 7 if clear else 5,
            markeredgecolor=theme.ink if point.selected else theme.paper, elinewidth=1.3 if clear else 0.8,
            capsize=3 if clear else 0, alpha=1 if clear else 0.4, zorder=3,
        )  # fmt: skip
    x = [point.milliseconds for point in shown]
    axis.set_xscale("log")
    axis.set_xlim(min(x) / 1.6, max(x) * 1.8)
    subs = (1, 2, 5) if max(x) / min(x) > 8 else (1, 1.5, 2, 3, 4, 5, 7)
    axis.xaxis.set_major_locator(LogLocator(base=10, subs=subs))
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.xaxis.set_minor_formatter(NullFormatter())
    axis.margins(y=0.12)


def _name_points(figure: Figure, axis: Axes, named: Sequence[Point], shown: Sequence[Point], theme: Theme) -> None:
    """Write names beside their points, clear of all markers, error bars and other names."""
    figure.canvas.draw()  # constrained layout moves the axes: pixels are right only after it
    figure.set_layout_engine("none")
    scale = figure.dpi / DPI  # pixels drawn for one as shown
    halo = [withStroke(linewidth=3, foreground=theme.paper)]
    texts = [
        axis.text(
            0, 0, point.text, color=theme.of(point.kind), fontsize=points_of(FONT_PX), va="bottom",
            fontweight="bold" if point.selected else "normal", path_effects=halo, zorder=4,
        )
        for point in named
    ]  # fmt: skip
    extents = [text.get_window_extent() for text in texts]
    area = axis.get_window_extent()
    spots = place_labels(
        [_pixel(axis, point.milliseconds, point.value) for point in named],
        [(extent.width, extent.height) for extent in extents],
        [box for point in shown for box in _covered(axis, point, scale)],
        Box(area.x0, area.y0, area.x1, area.y1),
        11 * scale,
    )
    to_data = axis.transData.inverted()
    for point, text, spot in zip(named, texts, spots, strict=True):
        box = spot.box
        left, bottom = to_data.transform((box.left, box.bottom))
        text.set_position((left, bottom))
        if spot.joined:
            x, y = _pixel(axis, point.milliseconds, point.value)
            nearest = min(max(x, box.left), box.right), min(max(y, box.bottom), box.top)
            end_x, end_y = to_data.transform(nearest)
            axis.plot([point.milliseconds, end_x], [point.value, end_y], color=theme.faint, linewidth=0.8)


def _pixel(axis: Axes, x: float, y: float) -> tuple[float, float]:
    """Where data lie on the canvas."""
    left, bottom = axis.transData.transform((x, y))
    return float(left), float(bottom)


def _covered(axis: Axes, point: Point, scale: float) -> list[Box]:
    """What a marker and its error bar take up on the canvas."""
    x, y = _pixel(axis, point.milliseconds, point.value)
    low, high = (
        _pixel(axis, point.milliseconds, point.low)[1],
        _pixel(axis, point.milliseconds, point.high)[1],
    )
    marker, bar = 7 * scale, 4 * scale
    return [Box(x - marker, y - marker, x + marker, y + marker), Box(x - bar, low, x + bar, high)]
