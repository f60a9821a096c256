"""Accuracy of every cut of a nested student: layers × dimensions, all on the same test examples and resamples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from pydantic import BaseModel, Field, model_validator

from pipeline.measure.bootstrap import percentile_interval
from pipeline.measure.set_metrics import IfMeasured, MainMetric

if TYPE_CHECKING:  # at run time they would pull in all of training and of scipy
    from pipeline.measure.correlation import FloatArray
    from pipeline.measure.evaluate import Examples

Cut = tuple[int, int]
"""Layers kept from the input, and dimensions kept of the vector."""


class Cell(BaseModel, frozen=True, extra="forbid"):
    """One cut's main metric, as fractions."""

    layers: int = Field(ge=0, description="0 of a static student")
    dim: int = Field(ge=1)
    value: float
    ci95: tuple[float, float]
    of_full: float | None = Field(default=None, description="value divided by the full cut's; null: that is not > 0")
    start_value: IfMeasured[float] = Field(default=None, description="the start model's, cut the same, not trained")
    pca_value: IfMeasured[float] = Field(default=None, description="of as many PCA axes of this depth's full vectors")


class Grid(BaseModel, frozen=True, extra="forbid"):
    """Every measured cut of one student on one test set, the deepest and widest first."""

    set: str = Field(min_length=1, description="test set, such as stsb/test")
    metric: MainMetric = Field(description="what the values are")
    examples: int = Field(ge=1, description="size of the test set")
    trained_on_labels: IfMeasured[bool] = Field(default=None, description="training saw this task's own labels")
    cells: tuple[Cell, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _check_cells(self) -> Grid:
        cuts = [(cell.layers, cell.dim) for cell in self.cells]
        twice = sorted({cut for cut in cuts if cuts.count(cut) > 1})
        if twice:
            raise ValueError(f"two cells are of {twice[0][0]} layers and {twice[0][1]} dimensions")
        return self

    @property
    def layers(self) -> list[int]:
        """Numbers of layers, most first."""
        return sorted({cell.layers for cell in self.cells}, reverse=True)

    @property
    def dims(self) -> list[int]:
        """Numbers of dimensions, most first."""
        return sorted({cell.dim for cell in self.cells}, reverse=True)

    @property
    def has_start(self) -> bool:
        """Whether the start model was measured on any of the cuts."""
        return any(cell.start_value is not None for cell in self.cells)

    def cell(self, layers: int, dim: int) -> Cell | None:
        """Find a cut's cell; None where that cut was not measured."""
        return next((cell for cell in self.cells if (cell.layers, cell.dim) == (layers, dim)), None)


class CutScores(NamedTuple):
    """One model's predictions at its cuts: [pairs] scores, or logits [pairs, classes], as `judge` takes them.

    Binary only: [dev] scores at every cut, too, from which its threshold is chosen.
    """

    test: Mapping[Cut, FloatArray]
    dev: Mapping[Cut, FloatArray] = MappingProxyType({})


NO_CUTS = CutScores(MappingProxyType({}))


def measure_grid(
    examples: Examples,
    student: CutScores,
    *,
    set_name: str,
    start: CutScores = NO_CUTS,
    pca: CutScores = NO_CUTS,
    trained_on_labels: bool | None = None,
) -> Grid:
    """Measure every cut on one test set.

    Each cut is judged on the resamples that `evaluate` draws from the same examples, so a cell's interval equals that
    of a report row with the same predictions.

    Args:
        student: the cut of the most layers and the most dimensions must be among its cuts; others may be missing.
        set_name: test set's name in the report.
        start: the start model's, at some of the same cuts.
        pca: the student's full vectors' at some of the same depths, brought to some of the dims by PCA.
        trained_on_labels: whether the student's training saw this task's labels; None: not known.

    Raises:
        ValueError: no predictions, none of the full cut, the start model's or PCA's at a cut that the student lacks,
            or as `judge`.
    """
    full = _full_cut(student.test, {"the start model has": start.test, "PCA has": pca.test})
    judged = {
        cut: examples.judge(scores, student.dev.get(cut)) for cut, scores in sorted(student.test.items(), reverse=True)
    }
    once = replace(examples, resamples=1)  # of the others no interval is shown
    start_values, pca_values = (
        {cut: once.judge(scores, one.dev.get(cut)).value for cut, scores in one.test.items()} for one in (start, pca)
    )
    whole = judged[full]
    cells = [
        Cell(
            layers=cut[0], dim=cut[1], value=one.value, ci95=percentile_interval(one.samples),
            of_full=one.value / whole.value if whole.value > 0 else None, start_value=start_values.get(cut),
            pca_value=pca_values.get(cut),
        )
        for cut, one in judged.items()
    ]  # fmt: skip
    return Grid(
        set=set_name, metric=whole.metric, examples=whole.examples, trained_on_labels=trained_on_labels,
        cells=tuple(cells),
    )  # fmt: skip


def _full_cut(predictions: Mapping[Cut, FloatArray], others: Mapping[str, Mapping[Cut, FloatArray]]) -> Cut:
    """The cut that cuts nothing away."""
    if not predictions:
        raise ValueError("a grid needs the predictions of at least one cut")
    full = max(layers for layers, _ in predictions), max(dim for _, dim in predictions)
    if full not in predictions:
        raise ValueError(f"no predictions of the full cut, {full[0]} layers and {full[1]} dimensions")
    for which, cuts in others.items():
        beyond = sorted(set(cuts) - set(predictions))
        if beyond:
            layers, dim = beyond[0]
            raise ValueError(f"{which} predictions at {layers} layers and {dim} dimensions, the student none")
    return full
