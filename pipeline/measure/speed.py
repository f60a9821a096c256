"""How fast models answer, timed in turns so that a busy moment of the machine hits all of them alike."""

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Annotated

import numpy as np
from pydantic import BaseModel, Field

from decant.progress import Advance
from pipeline.measure.rounds import Clock, Item, Rounds, Timed, batches_of, period_of, repeated, time_rounds
from pipeline.measure.set_metrics import IfMeasured
from pipeline.measure.steadiness import Steadinesses, doubted

Pair = tuple[str, str]
Encode = Callable[[Sequence[str]], object]  # texts -> vectors, tokenizer included
Score = Callable[[Sequence[Pair]], object]  # pairs -> scores, tokenizer included


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
    max_repeats: int = Field(
        default=3, ge=1,
        description="most times that a figure's rounds are run: they are run again where they do not agree",
    )  # fmt: skip
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
    steadiness: Steadinesses = {}


class Speed(BaseModel, frozen=True, extra="forbid"):
    """One model's speed; an encoder is measured in texts, a scorer (the teacher) in pairs."""

    latency_ms: dict[str, Latency] = Field(description="by batch size, as a string")
    texts_per_second: float | None = None
    pairs_per_second: float | None = None
    steadiness: Steadinesses = {}

    def unsteady(self, figure: str) -> bool:
        """Whether one of the figures cannot be trusted: the machine was busy, or its rounds do not agree."""
        return doubted(self.steadiness, figure)


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
    advance: Advance | None = None,
) -> dict[str, Speed]:
    """Time every model in the same rounds: each batch size, then throughput over all texts.

    In every round all encoders get the same texts, and all scorers the same pairs. Each text comes twice.

    Args:
        encoders: texts -> vectors, by row name.
        texts: what they encode; an evenly spaced sample of `settings.texts` is used.
        scorers: pairs -> scores, by row name.
        pairs: what they score; an evenly spaced sample of `settings.pairs` is used.
        settings: rounds and sizes.
        clock: returns seconds.
        advance: told of each model as it is timed; counts `speed_steps` in all.

    Raises:
        ValueError: a name stands for two models, or there is nothing to encode or score.
    """
    twice = sorted(set(encoders) & set(scorers))
    if twice:
        raise ValueError(f"{twice[0]!r} names both an encoder and a scorer")
    if (encoders and not texts) or (scorers and not pairs):
        raise ValueError("speed needs at least one text for the encoders and one pair for the scorers")
    texts, pairs = evenly_spaced(texts, settings.texts), evenly_spaced(pairs, settings.pairs)

    latency: dict[str, dict[str, Timed]] = {name: {} for name in (*encoders, *scorers)}
    for size in settings.batch_sizes:
        rounds = latency_rounds(settings, size)
        calls = {name: _batches(encode, texts, size, rounds.period) for name, encode in encoders.items()}
        calls |= {name: _batches(score, pairs, size, rounds.period) for name, score in scorers.items()}
        for name, timed in time_rounds(calls, rounds, settings, clock, advance).items():
            latency[name][str(size)] = timed
    whole: dict[str, Callable[[], object]] = {}
    whole |= {name: partial(encode, texts) for name, encode in encoders.items()}
    whole |= {name: partial(score, pairs) for name, score in scorers.items()}
    all_at_once = time_rounds(whole, throughput_rounds(settings, texts or pairs), settings, clock, advance)
    return {
        name: _speed(latency[name], timed, len(texts) if name in encoders else None, len(pairs))
        for name, timed in all_at_once.items()
    }


def speed_steps(settings: SpeedSettings, texts: int, pairs: int, models: int) -> int:
    """What `measure_speed` counts of so many models: texts (or pairs) that each reads, added rounds left out."""
    each = [latency_rounds(settings, size) for size in settings.batch_sizes]
    each.append(throughput_rounds(settings, range(min(texts, settings.texts) or min(pairs, settings.pairs))))
    return models * sum(rounds.steps for rounds in each)


def latency_rounds(settings: SpeedSettings, size: int) -> Rounds:
    """How batches of one size are timed."""
    rounds = settings.rounds if size == 1 else settings.batch_rounds
    return Rounds(rounds, settings.warmup, period_of(rounds), size)


def throughput_rounds(settings: SpeedSettings, items: Sequence[object]) -> Rounds:
    """How all texts at once are timed."""
    return Rounds(settings.throughput_rounds, min(settings.warmup, 1), items=len(items))


def _batches(
    call: Callable[[Sequence[Item]], object], items: Sequence[Item], size: int, period: int
) -> Callable[[], object]:
    """Batches that come round after `period` calls, evenly spaced over the items."""
    count = size * period
    return batches_of(call, repeated(evenly_spaced(items, count), count), size)


def _speed(latency: Mapping[str, Timed], whole: Timed, texts: int | None, pairs: int) -> Speed:
    """Of an encoder where a number of texts is given, else of a scorer."""
    rate = per_second(pairs if texts is None else texts, whole.seconds)
    judged = {f"latency_ms.{size}": timed.steadiness for size, timed in latency.items()}
    judged["pairs_per_second" if texts is None else "texts_per_second"] = whole.steadiness
    return Speed(
        latency_ms={size: percentiles_ms(timed.seconds) for size, timed in latency.items()},
        texts_per_second=None if texts is None else rate,
        pairs_per_second=rate if texts is None else None,
        steadiness=judged,
    )


def evenly_spaced(items: Sequence[Item], count: int) -> Sequence[Item]:
    """Pick at most `count` items at even distances, first and last included, as files are often sorted."""
    if len(items) <= count:
        return items
    return [items[index] for index in np.linspace(0, len(items) - 1, count).round().astype(int)]
