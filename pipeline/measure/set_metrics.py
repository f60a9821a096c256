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
RankingMetric = Literal["ndcg_at_10", "mrr_at_10", "recall_at_100", "map_at_1000"]
MainMetric = Literal[MetricName, RankingMetric]
TaskName = Literal["regression", "binary", "multiclass", "ranking"]
"""What a recipe's labels mean: those of pairs (`TaskKind`), or judgements of documents."""
FigureName = Literal[MainMetric, "precision", "recall", "neighbour_recall"]
"""Further ones stand beside a main metric and are never one themselves."""

# The first of each is the main metric unless the recipe names another; only these have an interval.
MAIN_METRICS: dict[TaskKind, tuple[MetricName, ...]] = {
    "regression": ("spearman", "pearson"),
    "binary": ("f1", "accuracy", "average_precision"),
    "multiclass": ("accuracy", "macro_f1"),
}
RANKING_METRICS: tuple[RankingMetric, ...] = get_args(RankingMetric)


class Difference(BaseModel, frozen=True, extra="forbid"):
    """Main metric minus the teacher's, on the same bootstrap resamples, as fractions."""

    mean: float
    ci95: tuple[float, float]
    p: float = Field(ge=0, le=1, description="share of resamples in which the row is not above the teacher")


class ClassFigures(BaseModel, frozen=True, extra="forbid"):
    """How well one class is told from all others, as fractions; 0 where it is never predicted, or not there."""

    precision: float
    recall: float
    f1: float
    examples: int = Field(ge=0, description="that are labelled so")


class SetMetrics(BaseModel, frozen=True, extra="forbid"):
    """One row's figures on one test set: fractions, not percent. Metrics of other tasks are left out."""

    metric: MainMetric = Field(description="the main metric, which ci95, of_* and the difference are about")
    examples: int = Field(ge=1, description="size of the test set")
    spearman: IfMeasured[float] = None
    pearson: IfMeasured[float] = None
    f1: IfMeasured[float] = None
    accuracy: IfMeasured[float] = None
    average_precision: IfMeasured[float] = None
    macro_f1: IfMeasured[float] = None
    ndcg_at_10: IfMeasured[float] = Field(
        default=None, description="ranking: mean over the queries, as the three below"
    )
    mrr_at_10: IfMeasured[float] = None
    recall_at_100: IfMeasured[float] = None
    map_at_1000: IfMeasured[float] = None
    precision: IfMeasured[float] = Field(default=None, description="binary: of class 1 at the threshold")
    recall: IfMeasured[float] = Field(default=None, description="binary: of class 1 at the threshold")
    threshold: IfMeasured[float] = Field(default=None, description="binary: chosen on the development split")
    classes: IfMeasured[tuple[ClassFigures, ...]] = Field(default=None, description="multiclass: in their order")
    texts: IfMeasured[int] = Field(
        default=None, description="of agreement with the teacher: held-back texts that the pairs are drawn from"
    )
    neighbour_recall: IfMeasured[float] = Field(
        default=None, description="of agreement: share of the teacher's 10 nearest texts that are among its own 10"
    )
    neighbour_recall_ci95: IfMeasured[tuple[float, float]] = None
    ci95: tuple[float, float]
    of_teacher: float | None = Field(default=None, description="main metric divided by the teacher's")
    of_student: float | None = Field(default=None, description="main metric divided by the full student's")
    difference_to_teacher: IfMeasured[Difference] = None

    @property
    def value(self) -> float:
        """The main metric, a fraction."""
        return float(getattr(self, self.metric))

    @property
    def values(self) -> dict[FigureName, float]:
        """Every measured figure by name, the main metric first."""
        return {name: getattr(self, name) for name in figure_names(self.metric) if getattr(self, name) is not None}


def figure_names(metric: MainMetric) -> list[FigureName]:
    """Every figure that a row may have by name, its main metric first."""
    return sorted(get_args(FigureName), key=lambda name: name != metric)
