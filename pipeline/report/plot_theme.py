"""Colours and type of the plots, on light and on dark paper."""

import io
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from pipeline.report.rows import Kind

WIDTH_PX, HEIGHT_PX = 800, 500  # as shown; drawn at twice that
DPI = 100
FONT_PX = 13


@dataclass(frozen=True)
class Theme:
    """One set of colours. Kinds differ in lightness and in marker too, not in hue alone."""

    paper: str
    ink: str
    faint: str
    grid: str
    teacher: str
    baseline: str
    student: str
    artifact: str

    def of(self, kind: Kind) -> str:
        """Colour of a kind of row."""
        return {
            "teacher": self.teacher,
            "baseline": self.baseline,
            "student": self.student,
            "artifact": self.artifact,
        }[kind]


# Hues of Okabe & Ito's palette, told apart with every common colour-vision deficiency.
LIGHT = Theme("#ffffff", "#1c2126", "#5c6670", "#e4e7ea", "#c04f00", "#6f7780", "#0072b2", "#00805c")
DARK = Theme("#14181c", "#e8ebee", "#a3adb7", "#2b3238", "#f08c3c", "#9aa4ae", "#56b4e9", "#2cc79a")
MARKERS: dict[Kind, str] = {"teacher": "s", "baseline": "^", "student": "D", "artifact": "o"}


def new_figure(theme: Theme, rows: int = 1, height_px: int = HEIGHT_PX) -> tuple[Figure, list[Axes]]:
    """Make an empty figure with its own canvas; nothing of pyplot's global state is touched.

    Args:
        theme: colours.
        rows: panels one above the other, sharing x.
        height_px: height as shown; the width is WIDTH_PX.
    """
    figure = Figure(figsize=(WIDTH_PX / DPI, height_px / DPI), dpi=2 * DPI, layout="constrained")
    FigureCanvasAgg(figure)
    figure.set_facecolor(theme.paper)
    axes = list(figure.subplots(rows, 1, sharex=True, squeeze=False)[:, 0])
    for axis in axes:
        axis.set_facecolor(theme.paper)
        axis.grid(True, color=theme.grid, linewidth=0.8)
        axis.set_axisbelow(True)
        axis.tick_params(which="both", colors=theme.faint, labelsize=points_of(FONT_PX - 1), length=0)
        for name, spine in axis.spines.items():
            spine.set_visible(name == "bottom")
            spine.set_color(theme.faint)
    return figure, axes


def points_of(pixels: float) -> float:
    """Font or line size in matplotlib's points for a size in pixels as shown."""
    return pixels * 72 / DPI


def title(axis: Axes, text: str, theme: Theme) -> None:
    """Write a panel's title, on the left."""
    axis.set_title(text, loc="left", color=theme.ink, fontsize=points_of(FONT_PX + 1), pad=10)


def png(figure: Figure) -> bytes:
    """Render a figure at twice the size it is shown at."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", facecolor=figure.get_facecolor(), metadata={"Software": None})
    return buffer.getvalue()
