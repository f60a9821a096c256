"""How fast models answer, timed in turns so that a busy moment of the machine hits all of them alike."""

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import cycle, islice
from typing import Annotated, TypeVar

import numpy as np
from pydantic import BaseModel, Field

from pipeline.measure.set_metrics import IfMeasured

Item = TypeVar("Item")
Pair = tuple[str, str]
Encode = Callable[[Sequence[str]], object]  # texts -> vectors, tokenizer included
Score = Callable[[Sequence[Pair]], object]  # pairs -> scores, tokenizer included
Clock = Callable[[], float]  # seconds


class SpeedSettings(BaseModel, frozen=True, extra="forbid"):
    """What is timed, and how often."""

    rounds: int = Field(default=100, ge=1, description="timed rounds of one text (or pair) at a time")
    batch_rounds: int = Field(default=20, ge=1, description="timed rounds of each larger batch")
    throughput_rounds: int = Field(default=3, ge=1, description="timed rounds over all texts")
    warmup: int = Field(default=3, ge=0, description="untimed rounds before the timed ones")
    batch_sizes: tuple[Annotated[int, Field(ge=1)], ...] = Field(
        default=(1, 32), min_length=1, description="texts (or pairs) in one call for the latency figures"
    )
    texts: int = Field(default=512, ge=1, description="texts encoded for texts per second")
    pairs: int = Field(default=128, ge=1, description="pairs scored for the teacher's pairs per second")
    threads: int | None = Field(default=None, ge=1, description="CPU threads of every runtime; default: all cores")
    candidates: int = Field(default=10_000, ge=1, description="texts that one query is compared with")
    sample: int = Field(default=128, ge=1, description="candidates really scored or encoded; scaled up")
    lengths: tuple[Annotated[int, Field(ge=3)], ...] = Field(
        default=(8, 32, 128, 256), description="tokens of single texts of one length each, up to the student's maximum"
    )
    length_rounds: int = Field(default=10, ge=1, description="timed rounds of each of these lengths")
    part_rounds: int = Field(default=30, ge=1, description="timed rounds of tokenizer, encoder and pooling")
    pause_ms: float = Field(
        default=5.0, ge=0, description="rest before each call: let the last model's threads go to sleep"
    )

    def rest(self) -> None:
        """Sleep for the pause."""
        time.sleep(self.pause_ms / 1000)


class Latency(BaseModel, frozen=True, extra="forbid"):
    """Milliseconds a call: the median, and what 95 of 100 calls stay below."""

    p50: float = Field(ge=0)
    p95: float = Field(ge=0)


class LatencyParts(BaseModel, frozen=True, extra="forbid"):
    """Median milliseconds of each part of one text's embedding."""

    tokenizer_ms: float = Field(ge=0, description="text to token ids")
    encoder_ms: float = Field(ge=0, description="token ids to token states, and what calling the runtime costs")
    pooling_ms: IfMeasured[float] = Field(
        default=None, description="token states to a vector: cut, mean, norm; left out: it is within encoder_ms"
    )


class Speed(BaseModel, frozen=True, extra="forbid"):
    """One model's speed; an encoder is measured in texts, a scorer (the teacher) in pairs."""

    latency_ms: dict[str, Latency] = Field(description="by batch size, as a string")
    texts_per_second: float | None = None
    pairs_per_second: float | None = None


def time_interleaved(
    calls: Mapping[str, Callable[[], object]],
    rounds: int,
    warmup: int,
    clock: Clock = time.perf_counter,
    rest: Callable[[], object] = lambda: None,
) -> dict[str, list[float]]:
    """Time several calls in turns: A B C, C B A, A B C, …, so that drift and neighbours even out.

    Args:
        calls: what to time, by name.
        rounds: timed calls of each, at least 1.
        warmup: untimed rounds first.
        clock: returns seconds; a fake one in tests.
        rest: called, untimed, before each call.

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
            rest()
            start = clock()
            calls[name]()
            end = clock()
            if round_index >= 0:
                seconds[name].append(end - start)
    return seconds


def percentiles_ms(seconds: Sequence[float]) -> Latency:
    """Summarise timed calls, given in seconds, in milliseconds; linear between neighbouring values."""
    p50, p95 = np.percentile(np.asarray(seconds) * 1000, [50, 95])
    return Latency(p50=float(p50), p95=float(p95))


def per_second(items: int, seconds: Sequence[float]) -> float:
    """Items a second from the median of several timed rounds over the same items."""
    return items / float(np.median(seconds))


def measure_speed(
    encoders: Mapping[str, Encode],
    texts: Sequence[str],
    scorers: Mapping[str, Score],
    pairs: Sequence[Pair],
    settings: SpeedSettings,
    clock: Clock = time.perf_counter,
) -> dict[str, Speed]:
    """Time every model in the same rounds: each batch size, then throughput over all texts.

    In every round all encoders get the same texts, and all scorers the same pairs.

    Args:
        encoders: texts -> vectors, by row name.
        texts: what they encode; an evenly spaced sample of `settings.texts` is used.
        scorers: pairs -> scores, by row name.
        pairs: what they score; an evenly spaced sample of `settings.pairs` is used.
        settings: rounds and sizes.
        clock: returns seconds.

    Raises:
        ValueError: a name stands for two models, or there is nothing to encode or score.
    """
    twice = sorted(set(encoders) & set(scorers))
    if twice:
        raise ValueError(f"{twice[0]!r} names both an encoder and a scorer")
    if (encoders and not texts) or (scorers and not pairs):
        raise ValueError("speed needs at least one text for the encoders and one pair for the scorers")
    texts, pairs = evenly_spaced(texts, settings.texts), evenly_spaced(pairs, settings.pairs)

    latency: dict[str, dict[str, Latency]] = {name: {} for name in (*encoders, *scorers)}
    for size in settings.batch_sizes:
        calls = {name: batches_of(encode, texts, size) for name, encode in encoders.items()}
        calls |= {name: batches_of(score, pairs, size) for name, score in scorers.items()}
        rounds = settings.rounds if size == 1 else settings.batch_rounds
        for name, seconds in time_interleaved(calls, rounds, settings.warmup, clock, settings.rest).items():
            latency[name][str(size)] = percentiles_ms(seconds)
    whole: dict[str, Callable[[], object]] = {}
    whole |= {name: partial(encode, texts) for name, encode in encoders.items()}
    whole |= {name: partial(score, pairs) for name, score in scorers.items()}
    seconds_of = time_interleaved(whole, settings.throughput_rounds, min(settings.warmup, 1), clock, settings.rest)
    return {
        name: Speed(
            latency_ms=latency[name],
            texts_per_second=per_second(len(texts), seconds) if name in encoders else None,
            pairs_per_second=per_second(len(pairs), seconds) if name in scorers else None,
        )
        for name, seconds in seconds_of.items()
    }


def evenly_spaced(items: Sequence[Item], count: int) -> Sequence[Item]:
    """Pick at most `count` items at even distances, first and last included, as files are often sorted."""
    if len(items) <= count:
        return items
    return [items[index] for index in np.linspace(0, len(items) - 1, count).round().astype(int)]


def batches_of(call: Callable[[Sequence[Item]], object], items: Sequence[Item], size: int) -> Callable[[], object]:
    """Give a call that takes the next `size` items each time, starting over at the end."""
    supply = cycle(items)
    return lambda: call(list(islice(supply, size)))
