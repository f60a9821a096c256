import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.patches import Rectangle

from pipeline.measure.grid import Grid
from pipeline.report.grid_plot import accuracy_grid, contrast, legible
from pipeline.report.plot_theme import DARK, LIGHT, Theme
from pipeline.report.rows import Report


def test_every_cut_is_written_in_its_place(report: Report, grid: Grid) -> None:
    figure = accuracy_grid(report.model_copy(update={"grid": grid}))
    assert figure is not None
    (axis,) = figure.axes
    written = {text.get_position(): text.get_text() for text in axis.texts}
    student = {(0.5, 0.5): "88.00", (1.5, 0.5): "86.00", (0.5, 1.5): "87.00", (1.5, 1.5): "–"}
    start = {(2.85, 0.5): "82.00", (3.85, 0.5): "–", (2.85, 1.5): "45.00", (3.85, 1.5): "–"}
    assert written == student | start
    assert [label.get_text() for label in axis.get_yticklabels()] == ["6", "3"]
    assert [label.get_text() for label in axis.get_xticklabels()] == ["384 d", "64 d"] * 2
    assert [label.get_text().strip() for label in axis.get_xticklabels(minor=True)] == [
        "student", "start model, cut the same way",
    ]  # fmt: skip


def test_better_cuts_are_darker_and_the_start_model_is_clipped(report: Report, grid: Grid) -> None:
    figure = accuracy_grid(report.model_copy(update={"grid": grid}))
    assert figure is not None
    filled = {patch.get_xy(): patch.get_facecolor()[:3] for patch in figure.axes[0].patches if patch.get_fill()}
    best, middle, lowest = filled[0, 0], filled[0, 1], filled[1, 0]
    assert best == pytest.approx(to_rgb(LIGHT.artifact))
    assert sum(best) < sum(middle) < sum(lowest)
    assert filled[2.35, 1] == lowest == pytest.approx(to_rgb(LIGHT.grid))


def test_the_selected_cut_alone_is_outlined(report: Report, grid: Grid) -> None:
    nested = report.model_copy(update={"grid": grid})
    figure = accuracy_grid(nested)
    assert figure is not None
    outlines = [p for p in figure.axes[0].patches if isinstance(p, Rectangle) and not p.get_fill()]
    assert [outline.get_xy() for outline in outlines] == [(0, 0)]  # L6xD384-int8
    assert figure.axes[0].get_title(loc="left").endswith("; outlined: selected")
    for update in ({"selected": None}, {"selected": "big"}):
        other = accuracy_grid(nested.model_copy(update=update))
        assert other is not None
        assert all(patch.get_fill() for patch in other.axes[0].patches)


def test_no_grid_no_figure(report: Report) -> None:
    assert accuracy_grid(report) is None


def test_contrast_of_known_colours() -> None:
    black, white, grey = to_rgb("#000000"), to_rgb("#ffffff"), to_rgb("#767676")
    assert contrast(black, white) == contrast(white, black) == pytest.approx(21)
    assert contrast(grey, white) == pytest.approx(4.54, abs=0.01)  # the lightest grey that WCAG's AA allows on white


@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_figures_are_legible_on_every_colour_of_the_map(theme: Theme) -> None:
    pale, full = np.array(to_rgb(theme.grid)), np.array(to_rgb(theme.artifact))
    for share in np.linspace(0, 1, 50):
        red, green, blue = (float(part) for part in pale + share * (full - pale))
        assert contrast(to_rgb(legible((red, green, blue))), (red, green, blue)) > 4.5
