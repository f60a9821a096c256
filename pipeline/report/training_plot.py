"""The training curves: loss and development metric over optimizer steps."""

from collections.abc import Sequence
from math import ceil, floor, isfinite

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from pipeline.report.figures import points
from pipeline.report.plot_theme import FONT_PX, LIGHT, Theme, new_figure, points_of, title
from pipeline.report.training_logs import TrainingRecord, best_dev


def training_curves(
    records: Sequence[TrainingRecord], metric: str = "metric ×100", theme: Theme = LIGHT
) -> Figure | None:
    """Draw the loss and the development metric over optimizer steps, the best development value marked.

    Steps begin at 0, and so do losses; the metric's axis is of whole points.

    Args:
        records: what the training logged.
        metric: name of the development figure.
        theme: colours.

    Returns:
        The figure, or None where nothing was logged.
    """
    best = best_dev(records)
    losses = [(record.step, record.loss) for record in records if record.loss is not None]
    devs = [(record.step, 100 * record.dev) for record in records if record.dev is not None and isfinite(record.dev)]
    panels = [name for name, values in (("loss", losses), ("dev", devs)) if values]
    if not panels:
        return None
    figure, axes = new_figure(theme, rows=len(panels), height_px=440 if len(panels) == 2 else 300)
    for panel, axis in zip(panels, axes, strict=True):
        if panel == "loss":
            steps, values = zip(*losses, strict=True)
            axis.plot(steps, values, color=theme.student, linewidth=1, alpha=0.35)
            axis.plot(steps, smoothed(values), color=theme.student, linewidth=2)
            title(axis, "Training loss (faint: as logged)", theme)
            axis.set_ylim(bottom=0 if min(values) >= 0 else None)
        else:
            steps, values = zip(*devs, strict=True)
            axis.plot(steps, values, color=theme.artifact, linewidth=2, marker="o", markersize=4)
            axis.set_ylim(floor(min(values) - 0.2), ceil(max(values) + 0.2))
            if best is not None and best.dev is not None:
                axis.plot(best.step, 100 * best.dev, "o", markersize=9, color=theme.artifact)
                title(axis, f"Development {metric}: best {points(best.dev)} at step {best.step:,}", theme)
    axes[-1].set_xlim(left=0)
    axes[-1].xaxis.set_major_formatter(FuncFormatter(lambda step, _: f"{step:,.0f}"))
    axes[-1].set_xlabel("Optimizer steps", color=theme.faint, fontsize=points_of(FONT_PX))
    return figure


def smoothed(values: Sequence[float]) -> list[float]:
    """Mean over a window of a twentieth of the values centred on each, narrower at the ends, [steps]."""
    reach = len(values) // 40
    found = []
    for index in range(len(values)):
        near = min(reach, index, len(values) - 1 - index)
        found.append(float(np.mean(values[index - near : index + near + 1])))
    return found
