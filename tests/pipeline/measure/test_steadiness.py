import pytest

from pipeline.measure.steadiness import BUSY, DRIFT, SPREAD, Steadiness, doubted, steadiness


def test_texts_of_other_lengths_are_no_spread() -> None:
    found = steadiness([0.01, 0.05, 0.03] * 3, period=3)
    assert (found.rounds, found.spread, found.drift) == (9, 0, 0)
    assert found.steady


def test_the_quartiles_of_calls_for_the_same_work() -> None:
    found = steadiness([0.8, 1.0, 1.0, 1.2, 1.4], period=1)
    assert found.spread == pytest.approx(0.2)  # quartiles 1.0 and 1.2 of a median of 1.0
    assert found.drift == pytest.approx(0.4)  # medians of the first two 0.9, of the last two 1.3
    assert not found.agree


def test_short_calls_may_differ_by_what_it_takes_to_wake_a_thread() -> None:
    assert steadiness([20e-6, 40e-6] * 4, period=1).agree
    assert not steadiness([20e-3, 40e-3] * 4, period=1).agree


def test_two_rounds_tell_nothing() -> None:
    found = steadiness([1.0, 9.0], period=1, busy=0.05)
    assert (found.spread, found.drift, found.steady) == (None, None, True)


@pytest.mark.parametrize(
    ("found", "steady"),
    [
        (Steadiness(rounds=9, spread=SPREAD, drift=DRIFT, busy=BUSY), True),
        (Steadiness(rounds=9, spread=SPREAD + 0.01), False),
        (Steadiness(rounds=9, drift=DRIFT + 0.01), False),
        (Steadiness(rounds=9, busy=BUSY + 0.01), False),
    ],
)
def test_each_bound_is_one(found: Steadiness, steady: bool) -> None:
    assert found.steady is steady
    assert doubted({"query_ms": found}, "query_ms") is not steady
    assert not doubted({"query_ms": found}, "latency_ms.1"), "what was not judged is not in doubt"


def test_what_is_not_known_is_left_out_of_json() -> None:
    assert Steadiness(rounds=2).model_dump(mode="json") == {"rounds": 2}
