"""The best of what a pick is compared with (teachers, start model and other baselines), and how far the pick is off."""

from dataclasses import dataclass
from math import hypot

from pipeline.report.main_table import References, main_metrics
from pipeline.report.rows import Report, Row


@dataclass(frozen=True)
class Gain:
    """A row's main metric minus another's, fractions."""

    value: float
    ci95: tuple[float, float] | None
    paired: bool
    """Whether the interval is of the same resamples; else it is of both rows' own intervals, and so wider."""

    @property
    def sure(self) -> bool:
        """Whether the interval excludes zero; a difference without one counts as it stands."""
        low, high = self.ci95 or (self.value, self.value)
        return low > 0 or high < 0


def best_other(report: Report, row: Row, refer: References) -> Row | None:
    """The teacher or baseline of the best main metric, the row itself apart; of equals the teacher."""
    others = [one for one in report.rows if one.kind in ("teacher", "baseline") and one.name != row.name]
    rated = [(found.value, one == refer.teacher, one) for one in others if (found := main_metrics(one, refer))]
    return max(rated, key=lambda one: one[:2])[2] if rated else None


def gain_over(row: Row, other: Row, refer: References) -> Gain | None:
    """What a row gains over another; None where one of them was not measured.

    The interval is the paired one where the other is the teacher. Else it comes from both rows' own intervals by
    square-and-add (Zou & Donner 2008, equation 3 at correlation 0): rows that are judged on the same examples differ
    less than that.
    """
    mine, theirs = main_metrics(row, refer), main_metrics(other, refer)
    if mine is None or theirs is None:
        return None
    value = mine.value - theirs.value
    if other == refer.teacher:
        paired = mine.difference_to_teacher
        return Gain(value, paired.ci95 if paired is not None else None, paired is not None)
    low = value - hypot(mine.value - mine.ci95[0], theirs.ci95[1] - theirs.value)
    high = value + hypot(mine.ci95[1] - mine.value, theirs.value - theirs.ci95[0])
    return Gain(value, (low, high), paired=False)
