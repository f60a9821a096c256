"""What may be spent on speed, size and accuracy, and which artifact to ship within it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import BaseModel, Field, field_validator

from decant.errors import InputError
from pipeline.measure.set_metrics import MainMetric
from pipeline.pick.limits import Floor, Limit, Miss, latency_ms
from pipeline.pick.remedy import remedy
from pipeline.report.figures import METRIC_NAMES, points
from pipeline.report.rows import Row
from pipeline.report.steady import steady_artifacts

OPTIONS = {
    "min": "--min-accuracy",
    "min_of_teacher": "--min-of-teacher",
    "max_loss": "--max-loss",
    "latency_ms": "--max-latency-ms",
    "texts_per_second": "--min-texts-per-second",
    "size_mib": "--max-size-mib",
    "dim": "--max-dim",
    "metric": "--metric",
    "set": "--on",
}


class Budget(BaseModel, frozen=True, extra="forbid", allow_inf_nan=False):
    """Limits that an artifact must keep, all of them. Of several accuracy floors the highest counts."""

    metric: MainMetric | None = Field(
        None, description="what accuracy is: main metric of a test set; default: the first set's"
    )
    set: str | None = Field(
        None, description="test set that accuracy is of, such as a name of measure.sets; default: the first"
    )
    min: float | None = Field(None, le=100, description="least accuracy ×100, as reports print it: 84, not 0.84")
    min_of_teacher: float | None = Field(None, gt=0, le=1, description="least accuracy as share of the teacher's, 0..1")
    max_loss: float | None = Field(None, ge=0, le=100, description="most points ×100 below the teacher's accuracy")
    latency_ms: float | None = Field(None, gt=0, description="most milliseconds for one text, median")
    texts_per_second: float | None = Field(None, gt=0, description="least throughput")
    size_mib: float | None = Field(None, gt=0, description="most MiB on disk")
    dim: int | None = Field(None, ge=1, le=1_000_000, description="most dimensions of a vector")

    @field_validator("min")
    @classmethod
    def _times_hundred(cls, value: float | None) -> float | None:
        if value is not None and value <= 1:
            raise ValueError("accuracy is ×100 here, as reports print it: above 1 and at most 100 (84, not 0.84)")
        return value


@dataclass(frozen=True)
class Choice:
    """What to ship, and why; or how far the nearest artifact is from the budget."""

    selected: Row | None
    nearest: Row | None
    """Of an infeasible budget: the artifact whose misses sum to the least distance; None: there is no artifact."""
    misses: tuple[Miss, ...]
    """What the nearest misses."""
    because: str
    """The rule that chose, one clause; or one from "infeasible: " on."""
    note: str | None
    """Names artifacts, faster than the selected, whose value keeps the floor while its lower end does not."""
    set_name: str | None
    """Test set that accuracies are about."""
    floor: float | None
    """Least accuracy, a fraction; None: none was asked for."""
    remedy: str | None = None
    """Of an infeasible budget: the nearest artifact by each limit, and what would get there."""
    passed_over: str | None = None
    """A sentence on artifacts that are faster than the selected and as accurate."""
    gone: str | None = None
    """Names artifacts that would have come first, but whose files are not there."""

    @property
    def refusal(self) -> str:
        """Of an infeasible budget: all that there is to say, in one line."""
        return "; ".join(filter(None, (self.because, self.remedy, self.gone)))


def choose(rows: Sequence[Row], budget: Budget) -> Choice:
    """Choose the artifact to ship among those whose vectors do not depend on the batch.

    With an accuracy floor: the lowest latency for one text among those that keep every limit, the floor with the
    lower end of the accuracy's 95 % interval. Without: the best accuracy among those that keep every limit.

    Args:
        rows: of a report: artifacts to choose from, and the teacher that shares and losses refer to.
        budget: the limits.

    Raises:
        InputError: no test set has the budget's metric as its main one, or a floor refers to a teacher that has no
            accuracy there.
    """
    set_name = accuracy_set(rows, budget.metric, budget.set)
    limits = _limits(rows, budget)
    floor = next((limit for limit in limits if isinstance(limit, Floor)), None)
    least = floor.value if floor is not None else None
    steady = steady_artifacts(rows)
    misses = _misses(steady, limits)
    near = [row for row in steady if [miss.limit for miss in misses[row.name]] == ["accuracy"]]
    unsure = [row for row in near if floor and floor.reached_by_value(row)]
    fits = [row for row in steady if not misses[row.name]]
    if fits:
        best_first = sorted(fits, key=lambda row: (-_accuracy(row, set_name), _latency(row)))
        selected = min(best_first, key=_latency) if floor else best_first[0]
        faster = [row for row in unsure if _latency(row) < _latency(selected)]
        because = _rule(rows, limits, set_name, floor)
        return Choice(selected, None, (), because, _note(faster, floor), set_name, least)
    nearest = min(steady, key=lambda row: sum(miss.distance for miss in misses[row.name]), default=None)
    missed = misses[nearest.name] if nearest else ()
    because, note = _infeasible(rows, nearest, missed), _note(unsure, floor)
    said = remedy(steady, nearest, limits, missed) if nearest else None
    return Choice(None, nearest, missed, because, note, set_name, least, said)


def fitting(rows: Sequence[Row], budget: Budget) -> list[Row]:
    """The artifacts that keep every limit, of those whose vectors do not depend on the batch.

    Raises:
        InputError: as `choose`.
    """
    steady = steady_artifacts(rows)
    misses = _misses(steady, _limits(rows, budget))
    return [row for row in steady if not misses[row.name]]


def accuracy_set(rows: Sequence[Row], metric: MainMetric | None = None, wanted: str | None = None) -> str | None:
    """The test set of a name, or the first, or the first with a main metric; None where nothing was measured.

    Args:
        rows: of a report.
        metric: main one of the set.
        wanted: the set's name.

    Raises:
        InputError: there is no such set, or none has that main metric.
    """
    mains = {name: measured.metric for row in rows for name, measured in row.metrics.items()}
    if wanted is not None:
        if wanted not in mains:
            raise InputError(f"set {wanted} was not measured; there is {', '.join(mains) or 'none'}")
        mains = {wanted: mains[wanted]}
    found = next((name for name, main in mains.items() if metric in (None, main)), None)
    if found is None and metric is not None:
        known = ", ".join(f"{main} on {name}" for name, main in mains.items()) or "none"
        raise InputError(
            f"metric {metric} is no test set's main metric, and only those have intervals (there is {known}); "
            "name one of these, or set the recipe's measure.metric"
        )
    return found


def accuracy_floor(rows: Sequence[Row], budget: Budget) -> float | None:
    """The highest of the accuracies that a budget asks for, a fraction; None where it asks for none.

    Raises:
        InputError: as `choose`.
    """
    floors = [budget.min / 100] if budget.min is not None else []
    if budget.min_of_teacher is not None:
        floors.append(budget.min_of_teacher * _teacher_accuracy(rows, budget))
    if budget.max_loss is not None:
        floors.append(_teacher_accuracy(rows, budget) - budget.max_loss / 100)
    return max(floors, default=None)


def _teacher_accuracy(rows: Sequence[Row], budget: Budget) -> float:
    set_name = accuracy_set(rows, budget.metric, budget.set)
    found = [row.metrics[set_name].value for row in rows if row.kind == "teacher" and set_name in row.metrics]
    if not found or found[0] <= 0:
        there = f"is {points(found[0])}" if found else "was not measured"
        raise InputError(
            f"a budget relative to the teacher (share or loss) needs the teacher's accuracy, which {there}; "
            "give the least accuracy itself"
        )
    return found[0]


def _misses(rows: Sequence[Row], limits: Sequence[Floor | Limit]) -> dict[str, tuple[Miss, ...]]:
    return {row.name: tuple(miss for limit in limits if (miss := limit.miss(row))) for row in rows}


def _limits(rows: Sequence[Row], budget: Budget) -> list[Floor | Limit]:
    least, set_name = accuracy_floor(rows, budget), accuracy_set(rows, budget.metric, budget.set)
    limits: list[Floor | Limit] = [Floor(set_name, least)] if least is not None else []
    if budget.latency_ms is not None:
        limits.append(Limit("latency", budget.latency_ms, " ms", latency_ms))
    if budget.texts_per_second is not None:
        at_least = budget.texts_per_second
        limits.append(Limit("throughput", at_least, " texts/s", lambda row: row.texts_per_second, at_least=True))
    if budget.size_mib is not None:
        limits.append(Limit("size", budget.size_mib, " MiB", lambda row: row.size_mib))
    if budget.dim is not None:
        limits.append(Limit("vector length", budget.dim, " dimensions", lambda row: row.dim))
    return limits


def _latency(row: Row) -> float:
    measured = latency_ms(row)
    return float("inf") if measured is None else measured


def _accuracy(row: Row, set_name: str | None) -> float:
    return row.metrics[set_name].value if set_name is not None and set_name in row.metrics else float("-inf")


def _rule(rows: Sequence[Row], limits: Sequence[Floor | Limit], set_name: str | None, floor: Floor | None) -> str:
    mains = {name: METRIC_NAMES[measured.metric] for row in rows for name, measured in row.metrics.items()}
    accuracy = f"{mains[set_name]} on {set_name}" if set_name is not None else "accuracy"
    rest = [str(limit) for limit in limits if isinstance(limit, Limit)]
    if floor is not None:
        kept = [f"{accuracy} at least {points(floor.value)} with the interval's lower end", *rest]
        return f"the artifact of lowest latency within the budget: {', '.join(kept)}"
    return f"the artifact of best {accuracy}" + (f" within the budget: {', '.join(rest)}" if rest else "")


def _infeasible(rows: Sequence[Row], nearest: Row | None, misses: Sequence[Miss]) -> str:
    if nearest is None:
        there = any(row.kind == "artifact" for row in rows)
        why = "no artifact gives a text the same vector alone and in a batch" if there else "there is no artifact"
        return f"infeasible: {why}"
    said = [miss.said for miss in misses]
    listed = said[0] if len(said) == 1 else f"{', '.join(said[:-1])} and {said[-1]}"
    return f"infeasible: nearest is {nearest.name}, which misses {listed}"


def _note(rows: Sequence[Row], floor: Floor | None) -> str | None:
    if floor is None or floor.set_name is None or not rows:
        return None
    figures = [(row.name, row.metrics[floor.set_name]) for row in rows]
    said = ", ".join(f"{name} ({points(one.value)}, interval from {points(one.ci95[0])})" for name, one in figures)
    return f"Keep {points(floor.value)} by their value but not by the interval's lower end: {said}."
