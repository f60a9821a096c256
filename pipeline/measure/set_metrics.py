"""One row's figures on one test set, as report.json holds them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, TypeVar, get_args

from pydantic import BaseModel, Field

if TYPE_CHECKING:  # at run time it would pull in all of training
    from teachers.cross_encoders.fine_tune import TaskKind

Value = TypeVar("Value")
IfMeasured = Annotated[Value | None, Field(exclude_if=lambda value: value is None)]
"""A field that report.json leaves out where it was not measured; use as `pearson: IfMeasured[float] = None`."""
MetricName = Literal["spearman", "pearson", "f1", "accuracy", "average_precision", "macro_f1"]

# The first of each is the main metric unless the recipe names another; only these have an interval.
MAIN_METRICS: dict[TaskKind, tuple[MetricName, ...]] = {
    "regression": ("spearman", "pearson"),
    "binary": ("f1", "accuracy", "average_precision"),
    "multiclass": ("accuracy", "macro_f1"),
}


class Difference(BaseModel, frozen=True, extra="forbid"):
    """Main metric minus the teacher's, on the same bootstrap resamples, as fractions."""

    mean: float
    ci95: tuple[float, float]
    p: float = Field(ge=0, le=1, description="share of resamples in which the row is not above the teacher")


class SetMetrics(BaseModel, frozen=True, extra="forbid"):
    """One row's figures on one test set: fractions, not percent. Metrics of other tasks are left out."""

    metric: MetricName = Field(description="the main metric, which ci95, of_* and the difference are about")
    examples: int = Field(ge=1, description="size of the test set")
    spearman: IfMeasured[float] = None
    pearson: IfMeasured[float] = None
    f1: IfMeasured[float] = None
    accuracy: IfMeasured[float] = None
    average_precision: IfMeasured[float] = None
    macro_f1: IfMeasured[float] = None
    threshold: IfMeasured[float] = Field(default=None, description="binary: chosen on the development split")
    ci95: tuple[float, float]
    of_teacher: float | None = Field(default=None, description="main metric divided by the teacher's")
    of_student: float | None = Field(default=None, description="main metric divided by the full student's")
    difference_to_teacher: IfMeasured[Difference] = None

    @property
    def value(self) -> float:
        """The main metric, a fraction."""
        return float(getattr(self, self.metric))

    @property
    def values(self) -> dict[MetricName, float]:
        """Every measured metric by name, the main one first."""
        names = sorted(get_args(MetricName), key=lambda name: name != self.metric)
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}
