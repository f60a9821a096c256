import pytest

from pipeline.pick.budget import Budget, choose
from pipeline.pick.passed_over import passed_over, passed_over_said
from pipeline.report.rows import Row
from tests.pipeline.pick.test_budget import artifact
from tests.pipeline.report.conftest import latency

WHOLE = artifact(6, 0.86, 6.0)  # its interval: 0.84 to 0.87


@pytest.mark.parametrize(
    ("row", "named"),
    [
        (artifact(3, 0.863, 2.9), True),  # faster and better
        (artifact(3, 0.84, 2.9), True),  # its interval holds it
        (artifact(3, 0.839, 2.9), False),
        (artifact(3, 0.88, 5.9), False),  # no faster than 1.02×
        (artifact(3, 0.88, 7), False),
        (artifact(3, 0.88, 2.9, parity=None), False),
        (artifact(3, 0.88, 2.9, latency_ms={}), False),
        (artifact(3, 0.88, 1, latency_ms=latency(0.0)), False),
    ],
)
def test_what_is_faster_and_not_worse(row: Row, named: bool) -> None:
    assert passed_over([WHOLE, row], WHOLE, Budget()) == ([row] if named else [])


def test_the_command_picks_the_one_that_is_named() -> None:
    rows = [WHOLE, artifact(3, 0.863, 2.857), artifact(2, 0.85, 1.5), artifact(2, 0.845, 1.4, dim=64)]
    said = passed_over_said(rows, WHOLE, Budget(), "runs/my run")
    assert said == (
        "L3xD384-fp32 is 2.1× as fast for one text and 0.30 points better on stsb/test; a budget picks it: decant pick "
        "'runs/my run' --max-latency-ms 2.86. Faster and better or within that interval, too: L2xD384-fp32 (1.50 ms, "
        "-1.00), L2xD64-fp32 (1.40 ms, -1.50)."
    )
    assert choose(rows, Budget(latency_ms=2.86)).selected == rows[1]


def test_the_limit_is_exact_where_the_rounded_one_would_pick_another() -> None:
    rows = [WHOLE, artifact(3, 0.863, 5.7101), artifact(4, 0.88, 5.7150)]  # the last is 1.0499× as fast
    assert choose(rows, Budget(latency_ms=5.72)).selected == rows[2]
    said = passed_over_said(rows, WHOLE, Budget(), "x")
    assert said is not None
    assert said.endswith("decant pick x --max-latency-ms 5.7101.")
    assert choose(rows, Budget(latency_ms=5.7101)).selected == rows[1]


def test_limits_of_the_budget_hold_for_it_too() -> None:
    rows = [WHOLE, artifact(3, 0.863, 2.9), artifact(3, 0.863, 2.8, dim=64)]
    assert passed_over(rows, WHOLE, Budget(dim=64)) == [rows[2]]
    assert passed_over(rows, WHOLE, Budget(size_mib=10)) == []
    said = passed_over_said(rows, WHOLE, Budget(dim=64, latency_ms=7), "x")
    assert said is not None
    assert said.endswith("decant pick x --max-latency-ms 2.8 --max-dim 64.")
    floor = Budget(min=80)
    selected = choose(rows, floor).selected
    assert selected is not None
    assert passed_over(rows, selected, floor) == []


def test_many_are_counted() -> None:
    rows = [WHOLE, *(artifact(3, 0.85, 2.0 + 0.1 * one, dim=one + 1) for one in range(9))]
    said = passed_over_said(rows, WHOLE, Budget(), "x")
    assert said is not None
    assert said.endswith(", 4 more.")


def test_nothing_to_compare_is_nothing_to_say() -> None:
    bare = WHOLE.model_copy(update={"metrics": {}})
    assert passed_over_said([bare, artifact(3, 0.88, 1)], bare, Budget(), "x") is None
    untimed = WHOLE.model_copy(update={"latency_ms": latency(float("inf"))})
    assert passed_over_said([untimed, artifact(3, 0.88, 1)], untimed, Budget(), "x") is None
    assert passed_over_said([WHOLE, artifact(3, 0.88, 1)], WHOLE, Budget(max_loss=1), "x") is None
