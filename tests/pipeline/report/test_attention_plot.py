import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.patches import Rectangle

from pipeline.report.attention_plot import attention_heat_map
from pipeline.report.plot_theme import LIGHT, png


def test_values_stand_in_their_cells_and_groups_are_framed() -> None:
    layers = np.array([[1, 0.5, 0.25], [0.5, 1, 0.95], [0.25, 0.95, 1]])
    heads = np.stack([layers, layers**2])
    figure = attention_heat_map(layers, heads, [(1, 2)])
    upper, lower = figure.axes
    written = {text.get_position(): text.get_text() for text in upper.texts}
    assert (written[1.5, 0.5], written[0.5, 2.5], written[2.5, 1.5]) == ("0.50", "0.25", "0.95")
    assert len(written) == 9
    assert {text.get_position(): text.get_text() for text in lower.texts} == {
        (1.5, 0.5): "0.50", (2.5, 0.5): "0.95", (1.5, 1.5): "0.25", (2.5, 1.5): "0.90",
    }  # fmt: skip
    frames = [patch for patch in upper.patches if isinstance(patch, Rectangle) and not patch.get_fill()]
    assert [(frame.get_xy(), frame.get_width()) for frame in frames] == [((1, 1), 2)]
    filled = {patch.get_xy(): patch.get_facecolor()[:3] for patch in upper.patches if patch.get_fill()}
    assert filled[0, 0] == pytest.approx(to_rgb(LIGHT.artifact))
    assert sum(filled[0, 0]) < sum(filled[2, 1]) < sum(filled[1, 0]) < sum(filled[2, 0])
    assert upper.get_title(loc="left").endswith("; framed: would share one map")
    assert png(figure).startswith(b"\x89PNG")


def test_many_layers_have_a_scale_in_place_of_numbers() -> None:
    layers = np.full((13, 13), 0.8)
    np.fill_diagonal(layers, 1)
    figure = attention_heat_map(layers, layers[None], [])
    upper, lower, bar = figure.axes
    assert not upper.texts
    assert not lower.texts
    assert bar.get_ylim() == pytest.approx((0.8, 1.0))
    assert "framed" not in upper.get_title(loc="left")


def test_equal_maps_can_be_drawn() -> None:
    assert len(attention_heat_map(np.ones((2, 2)), np.ones((1, 2, 2)), []).axes) == 2
