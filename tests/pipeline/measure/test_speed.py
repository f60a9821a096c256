from collections.abc import Callable, Sequence

import pytest

from pipeline.measure.speed import (
    SpeedSettings,
    evenly_spaced,
    measure_speed,
    per_second,
    percentiles_ms,
    time_interleaved,
)


class FakeClock:
    """Time that passes only where a test says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def work(self, seconds: float) -> Callable[[], None]:
        def call() -> None:
            self.now += seconds

        return call


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


def test_percentiles_in_milliseconds() -> None:
    latency = percentiles_ms([0.001 * value for value in range(1, 102)])
    assert latency.p50 == pytest.approx(51)
    assert latency.p95 == pytest.approx(96)


def test_per_second_takes_the_median_round() -> None:
    assert per_second(512, [2.0, 1.0, 64.0]) == pytest.approx(256)


def test_measure_speed_of_known_costs(clock: FakeClock) -> None:
    seen: dict[str, list[list[object]]] = {"encoder": [], "scorer": []}

    def costing(name: str, seconds_each: float) -> Callable[[Sequence[object]], None]:
        def call(items: Sequence[object]) -> None:
            seen[name].append(list(items))
            clock.now += 0.001 + seconds_each * len(items)

        return call

    texts, pairs = [f"text {i}" for i in range(10)], [(f"a{i}", f"b{i}") for i in range(6)]
    settings = SpeedSettings(
        rounds=4,
        batch_rounds=2,
        throughput_rounds=2,
        warmup=1,
        batch_sizes=(1, 4),
        texts=5,
        pairs=3,
        pause_ms=0,
    )
    speeds = measure_speed(
        {"encoder": costing("encoder", 0.002)},
        texts,
        {"scorer": costing("scorer", 0.03)},
        pairs,
        settings,
        clock,
    )
    encoder, scorer = speeds["encoder"], speeds["scorer"]
    assert encoder.latency_ms["1"].p50 == pytest.approx(3)
    assert encoder.latency_ms["4"].p95 == pytest.approx(9)
    assert encoder.texts_per_second == pytest.approx(5 / 0.011)
    assert encoder.pairs_per_second is None
    assert scorer.latency_ms["1"].p50 == pytest.approx(31)
    assert scorer.pairs_per_second == pytest.approx(3 / 0.091)
    assert scorer.texts_per_second is None
    # Five evenly spaced texts; one at a time they come round in order; a batch is always full.
    assert [items[0] for items in seen["encoder"][:5]] == ["text 0", "text 2", "text 4", "text 7", "text 9"]
    assert {len(items) for items in seen["encoder"]} == {1, 4, 5}


def test_evenly_spaced_keeps_both_ends() -> None:
    assert evenly_spaced(list(range(100)), 4) == [0, 33, 66, 99]
    assert evenly_spaced([1, 2], 4) == [1, 2]


def test_wrong_input_is_refused() -> None:
    settings = SpeedSettings()
    with pytest.raises(ValueError, match="rounds must be at least 1 and warmup at least 0, got 0 and 0"):
        time_interleaved({}, rounds=0, warmup=0)
    with pytest.raises(ValueError, match="'a' names both an encoder and a scorer"):
        measure_speed({"a": len}, ["x"], {"a": len}, [("x", "y")], settings)
    with pytest.raises(ValueError, match="at least one text"):
        measure_speed({"a": len}, [], {}, [], settings)
    with pytest.raises(ValueError, match="batch_sizes"):
        SpeedSettings(batch_sizes=(0,))
