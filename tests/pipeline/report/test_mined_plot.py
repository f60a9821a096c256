import pytest
from matplotlib.figure import Figure
from matplotlib.patches import StepPatch

from pipeline.report.mined_plot import mined_scores, shares
from pipeline.report.plot_theme import DARK, png
from pipeline.report.rows import Mined, Report


def drawn(figure: Figure | None) -> dict[str, list[float]]:
    """Heights of each histogram by its name in the legend."""
    assert figure is not None
    found = {}
    for patch in figure.axes[0].patches:
        assert isinstance(patch, StepPatch)
        found[patch.get_label()] = patch.get_data().values.tolist()
    return found


def test_both_histograms_are_drawn_in_percent_of_their_own_pairs(report: Report, mined: Mined) -> None:
    figure = mined_scores(report.model_copy(update={"mined": mined}))
    assert drawn(figure) == {"labelled pairs (10)": [0, 0, 20, 80], "with the mined ones (40)": [0, 50, 25, 25]}
    assert figure is not None
    (axis,) = figure.axes
    assert axis.patches[0].get_data().edges.tolist() == [-1, -0.5, 0, 0.5, 1]
    assert axis.get_xlim() == pytest.approx((-0.51, 1.01))  # the empty first bin is cut away
    assert axis.get_ylim()[0] == 0
    assert png(figure).startswith(b"\x89PNG")


def test_no_labelled_pair_is_a_flat_line(report: Report, mined: Mined) -> None:
    bare = mined.model_copy(update={"before": (0, 0, 0, 0)})
    assert drawn(mined_scores(report.model_copy(update={"mined": bare}), DARK))["labelled pairs (0)"] == [0, 0, 0, 0]


def test_shares_by_hand() -> None:
    assert shares((1, 3, 0)).tolist() == [25, 75, 0]
    assert shares((0, 0)).tolist() == [0, 0]


def test_nothing_mined_nothing_drawn(report: Report) -> None:
    assert mined_scores(report) is None


def test_the_sentence_counts_the_kinds(mined: Mined) -> None:
    assert mined.sentence == (
        "30 pairs were mined from the unlabelled texts: 12 near (a text and one of its nearest), "
        "10 window (one from further down the ranks) and 8 random."
    )
    two = mined.model_copy(update={"counts": {"near": 1200, "random": 8}})
    assert two.sentence.endswith(": 1,200 near (a text and one of its nearest) and 8 random.")
    alone = mined.model_copy(update={"counts": {"near": 0, "random": 8}})
    assert alone.sentence == "8 pairs were mined from the unlabelled texts: 8 random."
