from collections.abc import Callable, Sequence

import pytest

from pipeline.measure.speed import (
    SpeedSettings,
    evenly_spaced,
    measure_speed,
    per_second,
    percentiles_ms,
    speed_steps,
)
from tests.pipeline.measure.fake_clock import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


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
    # Four rounds of one at a time read two evenly spaced texts twice; a batch is always full; then five at once.
    assert [items[0] for items in seen["encoder"][:5]] == ["text 0", "text 9", "text 0", "text 9", "text 0"]
    assert [len(items) for items in seen["encoder"]] == [1] * 5 + [4] * 3 + [5] * 3
    assert seen["encoder"][-1] == ["text 0", "text 2", "text 4", "text 7", "text 9"]


def test_progress_names_each_model_as_it_is_timed_and_counts_what_it_reads() -> None:
    told: list[tuple[int, str]] = []

    def advance(done: int, note: str = "", /) -> None:
        told.append((done, note))

    settings = SpeedSettings(rounds=4, batch_rounds=2, throughput_rounds=2, warmup=1, batch_sizes=(1, 4), texts=5,
                             pause_ms=0, max_repeats=1)  # fmt: skip
    texts = [f"text {i}" for i in range(10)]
    measure_speed({"a": len, "b": len}, texts, {}, [], settings, advance=advance)
    assert told[:4] == [(1, "b"), (1, "a"), (1, "a"), (1, "b")]
    assert sum(done for done, _ in told) == speed_steps(settings, 10, 0, 2) == 2 * (5 * 1 + 3 * 4 + 3 * 5)


def test_a_slow_half_makes_a_figure_unsteady_though_texts_differ(clock: FakeClock) -> None:
    def encode(texts: Sequence[str]) -> None:
        clock.now += 0.001 * sum(map(len, texts)) * (1.5 if len(timed) >= 10 else 1)
        timed.append(texts[0])

    timed: list[str] = []
    settings = SpeedSettings(rounds=20, batch_rounds=4, throughput_rounds=4, warmup=0, batch_sizes=(1,), max_repeats=1,
                             pause_ms=0)  # fmt: skip
    texts = ["a" * length for length in range(1, 40)]
    busy = measure_speed({"a": encode}, texts, {}, [], settings, clock)["a"]
    assert busy.unsteady("latency_ms.1")
    assert busy.steadiness["latency_ms.1"].drift == pytest.approx(0.4)
    assert not busy.unsteady("texts_per_second"), "all of these rounds were slow alike"
    quiet = measure_speed({"a": encode}, texts, {}, [], settings, clock)["a"]
    assert not quiet.unsteady("latency_ms.1")
    assert quiet.steadiness["latency_ms.1"].spread == 0


def test_evenly_spaced_keeps_both_ends() -> None:
    assert evenly_spaced(list(range(100)), 4) == [0, 33, 66, 99]
    assert evenly_spaced([1, 2], 4) == [1, 2]


def test_wrong_input_is_refused() -> None:
    settings = SpeedSettings()
    with pytest.raises(ValueError, match="'a' names both an encoder and a scorer"):
        measure_speed({"a": len}, ["x"], {"a": len}, [("x", "y")], settings)
    with pytest.raises(ValueError, match="at least one text"):
        measure_speed({"a": len}, [], {}, [], settings)
    with pytest.raises(ValueError, match="batch_sizes"):
        SpeedSettings(batch_sizes=(0,))
