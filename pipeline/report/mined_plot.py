"""How the teacher's scores spread without and with the mined pairs."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy.typing import NDArray

from pipeline.report.plot_theme import FONT_PX, LIGHT, Theme, new_figure, points_of, title
from pipeline.report.rows import Report

MARGIN = 0.01  # so that the outline is whole at either end


def mined_scores(report: Report, theme: Theme = LIGHT) -> Figure | None:
    """Draw what share of the pairs lies in each bin of the teacher's cosine: labelled ones, and all after mining.

    Shares, since the mined pairs are often ten times as many. Bins that hold no pair at either end are cut away.

    Returns:
        The figure, or None where nothing was mined.
    """
    mined = report.mined
    if mined is None:
        return None
    figure, (axis,) = new_figure(theme, height_px=300)
    edges = np.linspace(-1, 1, len(mined.after) + 1)
    before, after = shares(mined.before), shares(mined.after)
    axis.stairs(
        after, edges, fill=True, color=theme.artifact, alpha=0.55, label=f"with the mined ones ({sum(mined.after):,})"
    )
    axis.stairs(before, edges, color=theme.teacher, linewidth=2, label=f"labelled pairs ({sum(mined.before):,})")
    held = np.flatnonzero(after)
    if len(held):
        axis.set_xlim(edges[held[0]] - MARGIN, edges[held[-1] + 1] + MARGIN)
    axis.set_ylim(bottom=0)
    axis.yaxis.set_major_locator(MaxNLocator(5))
    axis.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{share:g} %"))
    axis.set_xlabel("Teacher's cosine", color=theme.faint, fontsize=points_of(FONT_PX))
    figure.legend(
        loc="outside lower left", ncols=2, reverse=True, frameon=False, fontsize=points_of(FONT_PX),
        labelcolor=theme.ink,
    )  # fmt: skip
    title(axis, "Share of the pairs, without and with the mined ones", theme)
    return figure


def shares(counts: Sequence[int]) -> NDArray[np.float64]:
    """Percent of all that each bin holds, [bins]; 0 where there are none."""
    return 100 * np.asarray(counts, np.float64) / max(sum(counts), 1)
