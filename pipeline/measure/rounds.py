"""Timed rounds: models in turns, so that a busy moment of the machine hits all alike, and more where rounds differ."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from typing import TYPE_CHECKING, TypeVar

from pipeline.measure.other_load import OtherLoad
from pipeline.measure.steadiness import Steadiness, steadiness

if TYPE_CHECKING:
    from decant.progress import Advance
    from pipeline.measure.speed import SpeedSettings

Item = TypeVar("Item")
Clock = Callable[[], float]  # seconds
Calls = Mapping[str, Callable[[], object]]


@dataclass(frozen=True)
class Timed:
    """Seconds of each round of one model, and whether they agree."""

    seconds: list[float]
    steadiness: Steadiness


def time_interleaved(
    calls: Calls,
    rounds: int,
    warmup: int,
    clock: Clock = time.perf_counter,
    rest: Callable[[], object] = lambda: None,
    told: Callable[[str], object] = lambda name: None,
) -> dict[str, list[float]]:
    """Time several calls in turns: A B C, C B A, A B C, …, so that drift and neighbours even out.

    Args:
        calls: what to time, by name.
        rounds: timed calls of each, at least 1.
        warmup: untimed rounds first.
        clock: returns seconds; a fake one in tests.
        rest: called, untimed, before each call.
        told: called with the name, untimed, before that.

    Returns:
        Seconds of each call by name, [rounds], in the order they ran.

    Raises:
        ValueError: rounds below 1 or warmup below 0.
    """
    if rounds < 1 or warmup < 0:
        raise ValueError(f"rounds must be at least 1 and warmup at least 0, got {rounds} and {warmup}")
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    names = list(calls)
    for round_index in range(-warmup, rounds):
        for name in names if round_index % 2 == 0 else reversed(names):
            told(name)
            rest()
            start = clock()
            calls[name]()
            end = clock()
            if round_index >= 0:
                seconds[name].append(end - start)
    return seconds


@dataclass(frozen=True)
class Rounds:
    """How one figure of several models is timed.

    Args:
        rounds: timed calls of each, at least.
        warmup: untimed rounds first.
        period: call i does the same work as call i + period.
        items: texts or pairs in a call, which progress is counted in.
    """

    rounds: int
    warmup: int
    period: int = 1
    items: int = 1

    @property
    def steps(self) -> int:
        """What a model adds to the count of progress."""
        return (self.warmup + self.rounds) * self.items


def time_rounds(
    calls: Calls, rounds: Rounds, settings: SpeedSettings, clock: Clock = time.perf_counter,
    advance: Advance | None = None,
) -> dict[str, Timed]:  # fmt: skip
    """Time calls in turns, and all of them again while those of any do not agree, `max_repeats` times in all.

    A moment in which the machine was busy is outvoted so; a machine that stays busy is told of by the steadiness.

    Args:
        calls: what to time, by name.
        rounds: how often.
        settings: rest and repeats.
        clock: returns seconds.
        advance: told of the model that is timed; added rounds do not count.
    """
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    load, found = OtherLoad(), dict[str, Steadiness]()
    for repeat in range(settings.max_repeats):

        def told(name: str, again: bool = repeat > 0) -> None:
            if advance is not None:
                advance(0 if again else rounds.items, f"{name}, again: rounds differ" if again else name)

        warmup = 0 if repeat else rounds.warmup
        for name, more in time_interleaved(calls, rounds.rounds, warmup, clock, settings.rest, told).items():
            seconds[name] += more
        found = {name: steadiness(each, rounds.period) for name, each in seconds.items()}
        if all(one.agree for one in found.values()):
            break
    busy = load.share()
    return {name: Timed(seconds[name], one.model_copy(update={"busy": busy})) for name, one in found.items()}


def period_of(rounds: int) -> int:
    """After how many calls the same texts come again: each comes twice, so that its calls can be compared."""
    return max(1, rounds // 2)


def batches_of(call: Callable[[Sequence[Item]], object], items: Sequence[Item], size: int) -> Callable[[], object]:
    """Give a call that takes the next `size` items each time, starting over at the end."""
    supply = cycle(items)
    return lambda: call(list(islice(supply, size)))


def repeated(items: Sequence[Item], count: int) -> list[Item]:
    """The first `count` items, starting over at the end: batches of these come round after so many."""
    return list(islice(cycle(items), count))
