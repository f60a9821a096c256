"""One bound on one measured figure: whether a row keeps it, and how far off it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil, floor, isfinite, log10

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

    def off(self, row: Row) -> float:
        """Order of rows by this figure alone, the one nearest to the bound or furthest within it first."""
        value = self.measured(row)
        return float("inf") if value is None else -value if self.at_least else value

    def figure(self, row: Row) -> str:
        """The measured figure with its unit; nothing where it was not measured."""
        value = self.measured(row)
        return "" if value is None else f"{amount(value)}{self.unit}"

    def loosened(self, row: Row) -> str:
        """The bound that the row would keep."""
        value = self.measured(row)
        return "none" if value is None else f"{rounded_out(value, up=not self.at_least)}{self.unit}"

    def __str__(self) -> str:
        return f"{self.name} at {'least' if self.at_least else 'most'} {amount(self.allowed)}{self.unit}"


@dataclass(frozen=True)
class Floor:
    """The least accuracy on one test set, a fraction, which the lower end of the 95 % interval has to keep."""

    set_name: str | None
    value: float
    name = "accuracy"

    def off(self, row: Row) -> float:
        """Order of rows by the lower end of the interval, the highest first."""
        low = self._low(row)
        return float("inf") if low is None else -low

    def figure(self, row: Row) -> str:
        """The lower end of the row's interval; nothing where it was not measured."""
        low = self._low(row)
        return "" if low is None else f"lower end {points(low)}"

    def loosened(self, row: Row) -> str:
        """The floor that the row would keep."""
        low = self._low(row)
        return "none" if low is None or not isfinite(low) else f"{floor(1e4 * low + ROUNDING) / 100:.2f}"

    def miss(self, row: Row) -> Miss | None:
        """How far the interval's lower end is below the floor; None where it is not."""
        low = self._low(row)
        if low is None:
            return Miss("accuracy", None, self.value, "accuracy (not measured)", float("inf"))
        by = self.value - low
        if by <= ROUNDING:
            return None
        said = f"accuracy by {amount(100 * by)} points (lower end {points(low)} against {points(self.value)})"
        return Miss("accuracy", low, self.value, said, by / max(1 - self.value, LEAST_ROOM))

    def reached_by_value(self, row: Row) -> bool:
        """Whether the figure itself, without its interval, keeps the floor."""
        measured = row.metrics.get(self.set_name) if self.set_name is not None else None
        return measured is not None and measured.value >= self.value - ROUNDING

    def _low(self, row: Row) -> float | None:
        measured = row.metrics.get(self.set_name) if self.set_name is not None else None
        return None if measured is None else measured.ci95[0]


def latency_ms(row: Row) -> float | None:
    """Median milliseconds for one text."""
    return row.latency_ms["1"].p50 if "1" in row.latency_ms else None


def amount(value: float) -> str:
    """Write a figure of any unit: whole numbers as they are, small differences so that they are not 0.00."""
    if isfinite(value) and value == round(value):
        return f"{value:,.0f}"
    return significant(value) if abs(value) >= 0.005 else f"{value:.1g}"


def rounded_out(value: float, *, up: bool) -> str:
    """Write a bound that the value keeps, in three significant digits: at most (up) or at least; no commas."""
    if not 1e-6 < value < 1e12:  # nothing that is measured
        return repr(value)
    decimals = 2 - floor(log10(value))
    scale = 10.0**-decimals
    rounded = round((ceil if up else floor)(value / scale - (ROUNDING if up else -ROUNDING)) * scale, max(decimals, 0))
    said = f"{rounded:.{max(decimals, 0)}f}"
    return said.rstrip("0").rstrip(".") if "." in said else said
