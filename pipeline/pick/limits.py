"""One bound on one measured figure: whether a row keeps it, and how far off it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pipeline.report.figures import points, significant
from pipeline.report.rows import Row

ROUNDING = 1e-9  # of a floor that is computed from the teacher's figure
LEAST_ROOM = 0.01  # one point: from a floor near 100 every distance would be endless


@dataclass(frozen=True)
class Miss:
    """A limit that a row does not keep."""

    limit: str
    value: float | None
    """As measured, in the limit's unit; accuracy: the interval's lower end, a fraction. None: not measured."""
    allowed: float
    said: str
    """Such as: latency by 0.40 ms (2.40 against 2)."""
    distance: float
    """Share of the limit that is missed, above 0; accuracy: share of what lies between the floor and 1."""


@dataclass(frozen=True)
class Limit:
    """A bound on a figure, in its own unit."""

    name: str
    allowed: float
    unit: str
    measured: Callable[[Row], float | None]
    at_least: bool = False

    def miss(self, row: Row) -> Miss | None:
        """How far a row is beyond the bound; None where it keeps it."""
        value = self.measured(row)
        if value is None:
            return Miss(self.name, None, self.allowed, f"{self.name} (not measured)", float("inf"))
        by = self.allowed - value if self.at_least else value - self.allowed
        if by <= 0:
            return None
        said = f"{self.name} by {amount(by)}{self.unit} ({amount(value)} against {amount(self.allowed)})"
        return Miss(self.name, value, self.allowed, said, by / self.allowed)

    def __str__(self) -> str:
        return f"{self.name} at {'least' if self.at_least else 'most'} {amount(self.allowed)}{self.unit}"


@dataclass(frozen=True)
class Floor:
    """The least accuracy on one test set, a fraction, which the lower end of the 95 % interval has to keep."""

    set_name: str | None
    value: float

    def miss(self, row: Row) -> Miss | None:
        """How far the interval's lower end is below the floor; None where it is not."""
        if self.set_name is None or self.set_name not in row.metrics:
            return Miss("accuracy", None, self.value, "accuracy (not measured)", float("inf"))
        low = row.metrics[self.set_name].ci95[0]
        by = self.value - low
        if by <= ROUNDING:
            return None
        said = f"accuracy by {amount(100 * by)} points (lower end {points(low)} against {points(self.value)})"
        return Miss("accuracy", low, self.value, said, by / max(1 - self.value, LEAST_ROOM))

    def reached_by_value(self, row: Row) -> bool:
        """Whether the figure itself, without its interval, keeps the floor."""
        measured = row.metrics.get(self.set_name) if self.set_name is not None else None
        return measured is not None and measured.value >= self.value - ROUNDING


def latency_ms(row: Row) -> float | None:
    """Median milliseconds for one text."""
    return row.latency_ms["1"].p50 if "1" in row.latency_ms else None


def amount(value: float) -> str:
    """Write a figure of any unit: whole numbers as they are, small differences so that they are not 0.00."""
    if value == round(value):
        return f"{value:,.0f}"
    return significant(value) if abs(value) >= 0.005 else f"{value:.1g}"
