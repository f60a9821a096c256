import pytest

from pipeline.pick.limits import Floor, Limit, amount, latency_ms, rounded_out
from pipeline.report.rows import Row
from tests.pipeline.report.conftest import latency, metrics

ROW = Row(name="a", kind="artifact", metrics=metrics(0.85), latency_ms=latency(2.4), texts_per_second=400)


@pytest.mark.parametrize(
    ("value", "said"),
    [(2, "2"), (1000.0, "1,000"), (2.4, "2.40"), (61.25, "61.2"), (0.0031, "0.003"), (-320, "-320")],
)
def test_amounts(value: float, said: str) -> None:
    assert amount(value) == said


def test_what_is_beyond_an_upper_bound() -> None:
    miss = Limit("latency", 2, " ms", latency_ms).miss(ROW)
    assert miss is not None
    assert miss.said == "latency by 0.40 ms (2.40 against 2)"
    assert (miss.value, miss.allowed) == (2.4, 2)
    assert miss.distance == pytest.approx(0.2)
    assert Limit("latency", 2.4, " ms", latency_ms).miss(ROW) is None


def test_what_is_short_of_a_lower_bound() -> None:
    limit = Limit("throughput", 500, " texts/s", lambda row: row.texts_per_second, at_least=True)
    miss = limit.miss(ROW)
    assert miss is not None
    assert miss.said == "throughput by 100 texts/s (400 against 500)"
    assert miss.distance == pytest.approx(0.2)
    assert str(limit) == "throughput at least 500 texts/s"


def test_what_was_not_measured_keeps_no_limit() -> None:
    bare = Row(name="b", kind="artifact")
    for limit in (Limit("latency", 2, " ms", latency_ms), Floor("stsb/test", 0.8), Floor(None, 0.8)):
        miss = limit.miss(bare)
        assert miss is not None
        assert miss.value is None
        assert miss.said.endswith("(not measured)")
        assert miss.distance == float("inf")


def test_a_floor_is_kept_by_the_intervals_lower_end() -> None:
    floor = Floor("stsb/test", 0.84)  # the row: 0.85, interval from 0.83
    miss = floor.miss(ROW)
    assert miss is not None
    assert miss.said == "accuracy by 1.00 points (lower end 83.00 against 84.00)"
    assert miss.distance == pytest.approx(0.01 / 0.16)
    assert floor.reached_by_value(ROW)
    assert not Floor("stsb/test", 0.86).reached_by_value(ROW)
    assert not Floor("other/test", 0.1).reached_by_value(ROW)
    assert Floor("stsb/test", 0.85 - 0.02).miss(ROW) is None  # whatever the rounding of the difference


def test_a_floor_at_a_hundred_has_a_distance() -> None:
    miss = Floor("stsb/test", 1).miss(ROW)
    assert miss is not None
    assert miss.distance == pytest.approx(17)


@pytest.mark.parametrize(
    ("value", "up", "said"),
    [(2.404, True, "2.41"), (2.404, False, "2.4"), (2.7, True, "2.7"), (3.0, True, "3"), (0.01234, True, "0.0124"),
     (1234.5, True, "1240"), (1239.9, False, "1230"), (61.26, True, "61.3"), (float("inf"), True, "inf")],
)  # fmt: skip
def test_a_bound_is_rounded_to_the_side_that_the_value_keeps(value: float, up: bool, said: str) -> None:
    assert rounded_out(value, up=up) == said


def test_the_bound_that_a_row_would_keep() -> None:
    throughput = Limit("throughput", 500, " texts/s", lambda row: row.texts_per_second, at_least=True)
    assert Limit("latency", 2, " ms", latency_ms).loosened(ROW) == "2.4 ms"
    assert throughput.loosened(ROW) == "400 texts/s"
    assert Floor("stsb/test", 0.84).loosened(ROW) == "83.00"
    assert Floor("stsb/test", 0.84).miss(ROW) is not None
    assert Floor("stsb/test", 0.83).miss(ROW) is None
    bare = Row(name="b", kind="artifact")
    assert [throughput.loosened(bare), Floor("stsb/test", 0.8).loosened(bare)] == ["none", "none"]
