import pytest

from pipeline.report.best_other import Gain, best_other, gain_over
from pipeline.report.main_table import references
from pipeline.report.rows import Report, Row


def test_the_best_teacher_or_baseline_and_never_the_row_itself(report: Report) -> None:
    refer = references(report)
    assert best_other(report, report.row("student"), refer) == report.row("big")
    assert best_other(report, report.row("big"), refer) == report.row("peer")
    alone = report.model_copy(update={"rows": (report.row("student"),), "selected": None})
    assert best_other(alone, alone.rows[0], references(alone)) is None


def test_the_paired_interval_is_taken_where_there_is_one(report: Report) -> None:
    paired = gain_over(report.row("student"), report.row("big"), references(report))
    assert paired is not None
    assert paired.value == pytest.approx(0.01)
    assert paired.ci95 == pytest.approx((-0.005, 0.025))
    assert (paired.paired, paired.sure) == (True, False)


def test_other_intervals_come_from_both_rows(report: Report) -> None:
    gain = gain_over(report.row("student"), report.row("peer"), references(report))
    assert gain is not None
    assert gain.value == pytest.approx(0.04)
    assert gain.ci95 == pytest.approx((0.04 - 5**0.5 / 100, 0.04 + 5**0.5 / 100))  # hypot(2, 1) points
    assert (gain.paired, gain.sure) == (False, True)


def test_what_was_not_measured_has_no_gain(report: Report) -> None:
    bare = Row(name="bare", kind="artifact")
    assert gain_over(bare, report.row("big"), references(report)) is None
    assert gain_over(report.row("big"), bare, references(report)) is None


def test_a_difference_without_an_interval_counts_as_it_stands() -> None:
    assert Gain(0.01, None, paired=False).sure
    assert not Gain(0.0, None, paired=False).sure
