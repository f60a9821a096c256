from collections.abc import Callable, Sequence

import pytest

from pipeline.measure import rounds
from pipeline.measure.rounds import Rounds, batches_of, repeated, time_interleaved, time_rounds
from pipeline.measure.speed import SpeedSettings, percentiles_ms
from tests.pipeline.measure.fake_clock import FakeClock

SETTINGS = SpeedSettings(pause_ms=0, max_repeats=4)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def test_each_call_gets_its_own_seconds_and_rest_is_not_counted(clock: FakeClock) -> None:
    calls = {"slow": clock.work(0.5), "fast": clock.work(0.125)}
    seconds = time_interleaved(calls, rounds=3, warmup=2, clock=clock, rest=clock.work(7))
    assert seconds == {"slow": [0.5] * 3, "fast": [0.125] * 3}


def test_turns_alternate_and_warmup_is_run_but_not_returned() -> None:
    order: list[str] = []
    calls = {name: lambda name=name: order.append(name) for name in "abc"}
    seconds = time_interleaved(calls, rounds=2, warmup=1, clock=lambda: 0.0)
    assert "".join(order) == "cba" + "abc" + "cba"
    assert [len(values) for values in seconds.values()] == [2, 2, 2]


def test_a_slow_moment_hits_one_round_of_all_and_no_median(clock: FakeClock) -> None:
    rounds_done = 0

    def busy(seconds: float) -> Callable[[], None]:
        def call() -> None:
            nonlocal rounds_done
            rounds_done += 1
            clock.now += seconds * (100 if rounds_done in (3, 4) else 1)

        return call

    seconds = time_interleaved({"a": busy(0.01), "b": busy(0.02)}, rounds=5, warmup=0, clock=clock)
    assert percentiles_ms(seconds["a"]).p50 == pytest.approx(10)
    assert percentiles_ms(seconds["b"]).p50 == pytest.approx(20)


def test_no_rounds_are_refused() -> None:
    with pytest.raises(ValueError, match="rounds must be at least 1 and warmup at least 0, got 0 and 0"):
        time_interleaved({}, rounds=0, warmup=0)


def taking(clock: FakeClock, seconds: Sequence[float]) -> Callable[[], None]:
    """A call that takes each of these, then the last for ever."""
    left = list(seconds)

    def call() -> None:
        clock.now += left.pop(0) if len(left) > 1 else left[0]

    return call


def test_rounds_that_agree_are_not_run_again(clock: FakeClock) -> None:
    found = time_rounds({"a": clock.work(0.01)}, Rounds(4, 1), SETTINGS, clock)["a"]
    assert found.seconds == pytest.approx([0.01] * 4)
    assert (found.steadiness.rounds, found.steadiness.spread, found.steadiness.drift) == (4, 0, 0)


def test_a_busy_moment_is_outvoted_by_more_rounds_of_all(clock: FakeClock) -> None:
    calls = {"a": taking(clock, [0.03, 0.03, 0.01]), "b": clock.work(0.02)}
    told: list[tuple[int, str]] = []
    found = time_rounds(calls, Rounds(4, 0), SETTINGS, clock, lambda done, note="": told.append((done, note)))
    assert len(found["a"].seconds) == len(found["b"].seconds) == 12
    assert found["a"].steadiness.agree
    assert percentiles_ms(found["a"].seconds).p50 == pytest.approx(10)
    assert told[0] == (1, "a")
    assert told[-1][0] == 0
    assert told[-1][1].endswith(", again: rounds differ")
    assert sum(done for done, _ in told) == 2 * Rounds(4, 0).steps


def test_a_machine_that_stays_busy_is_given_up_on_and_told(clock: FakeClock) -> None:
    found = time_rounds({"a": taking(clock, [0.01, 0.05] * 40)}, Rounds(4, 0), SETTINGS, clock)["a"]
    assert len(found.seconds) == 16, "max_repeats times"
    assert not found.steadiness.steady
    assert found.steadiness.spread == pytest.approx(4 / 3, abs=0.01)


def test_the_load_by_others_is_that_of_the_rounds(clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    class Loaded:
        def share(self) -> float:
            return 0.4

    monkeypatch.setattr(rounds, "OtherLoad", Loaded)
    found = time_rounds({"a": clock.work(0.01)}, Rounds(4, 0), SETTINGS, clock)["a"]
    assert found.steadiness.busy == 0.4
    assert found.steadiness.agree
    assert not found.steadiness.steady


def test_batches_of_repeated_items_come_round() -> None:
    seen: list[list[str]] = []
    call = batches_of(lambda items: seen.append(list(items)), repeated("abc", 4), 2)
    for _ in range(3):
        call()
    assert seen == [["a", "b"], ["c", "a"], ["a", "b"]]
