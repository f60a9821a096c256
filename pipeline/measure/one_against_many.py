"""The cost of one query against many candidates: where a bi-encoder differs from a cross-encoder most."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from decant.progress import Advance
from pipeline.measure.rounds import Clock, Rounds, Timed, time_rounds
from pipeline.measure.set_metrics import IfMeasured
from pipeline.measure.speed import Latency, Score, SpeedSettings, evenly_spaced, percentiles_ms
from pipeline.measure.steadiness import Steadinesses, doubted

Vectors = NDArray[np.float32]


def dot_product(query: Vectors, candidates: Vectors) -> Vectors:
    """Cosines of unit vectors: query [1, dim] against candidates [n, dim] -> [n]."""
    return np.asarray(candidates @ query[0], dtype=np.float32)


@dataclass(frozen=True)
class BiEncoder:
    """A model that meets its candidates as vectors computed beforehand."""

    encode: Callable[[Sequence[str]], Vectors]
    match: Callable[[Vectors, Vectors], object] = dot_product
    """Query vector [1, dim] and candidate vectors [n, dim] -> scores: a dot product, or a comparator."""


class OneAgainstMany(BaseModel, frozen=True, extra="forbid"):
    """The cost of scoring one query against all candidates."""

    candidates: int = Field(ge=1)
    query_ms: Latency = Field(description="from the query's text to every candidate's score")
    extrapolated: bool = Field(description="query_ms was measured on `sampled` pairs and scaled up")
    sampled: int = Field(ge=1, description="candidates that were really scored or encoded")
    index_seconds: IfMeasured[float] = Field(
        default=None,
        description="bi-encoder: embedding all candidates, once; scaled up from `sampled` of them",
    )
    steadiness: Steadinesses = {}

    def unsteady(self, figure: str) -> bool:
        """Whether query_ms or index_seconds cannot be trusted."""
        return doubted(self.steadiness, figure)


def one_against_many(
    query: str,
    candidates: Sequence[str],
    settings: SpeedSettings,
    *,
    bi_encoders: Mapping[str, BiEncoder] | None = None,
    cross_encoders: Mapping[str, Score] | None = None,
    clock: Clock = time.perf_counter,
    advance: Advance | None = None,
) -> dict[str, OneAgainstMany]:
    """Time one query against `settings.candidates` candidates, all models in the same rounds.

    A cross-encoder reads every pair: `settings.sample` pairs are timed and scaled to all. A bi-encoder
    encodes the query and matches it with all candidate vectors, all of it timed; the vectors of the sampled
    candidates, repeated, stand for the rest, whose values do not change the cost.

    Args:
        query: the query's text.
        candidates: candidate texts; an evenly spaced sample is used.
        settings: rounds and sizes.
        bi_encoders: by row name.
        cross_encoders: pairs -> scores, by row name.
        clock: returns seconds.
        advance: told of each model as it is timed; counts `search_steps` in all.

    Raises:
        ValueError: no candidate.
    """
    if not candidates:
        raise ValueError("one_against_many needs at least one candidate text")
    bi_encoders, cross_encoders = bi_encoders or {}, cross_encoders or {}
    sample = evenly_spaced(candidates, min(settings.sample, settings.candidates))
    scale = settings.candidates / len(sample)
    pairs = [(query, candidate) for candidate in sample]
    once: dict[str, Callable[[], object]] = {}
    once |= {name: partial(model.encode, sample) for name, model in bi_encoders.items()}
    once |= {name: partial(score, pairs) for name, score in cross_encoders.items()}
    queries = {name: _answer(query, sample, settings.candidates, model) for name, model in bi_encoders.items()}
    over_sample = time_rounds(once, _sample_rounds(settings, len(sample)), settings, clock, advance)
    over_all = time_rounds(queries, _query_rounds(settings), settings, clock, advance)
    costs = {name: _of_bi_encoder(settings, len(sample), timed, over_sample[name]) for name, timed in over_all.items()}
    return costs | {
        name: OneAgainstMany(
            candidates=settings.candidates,
            query_ms=percentiles_ms([seconds * scale for seconds in over_sample[name].seconds]),
            extrapolated=scale != 1,
            sampled=len(sample),
            steadiness={"query_ms": over_sample[name].steadiness},
        )
        for name in cross_encoders
    }


def search_steps(settings: SpeedSettings, candidates: int, bi_encoders: int, cross_encoders: int) -> int:
    """What `one_against_many` counts of so many models: texts that each reads, added rounds left out."""
    sampled = min(candidates, settings.sample, settings.candidates)
    of_sample, of_query = _sample_rounds(settings, sampled).steps, _query_rounds(settings).steps
    return (bi_encoders + cross_encoders) * of_sample + bi_encoders * of_query


def _sample_rounds(settings: SpeedSettings, sampled: int) -> Rounds:
    return Rounds(settings.throughput_rounds, min(settings.warmup, 1), items=sampled)


def _query_rounds(settings: SpeedSettings) -> Rounds:
    return Rounds(settings.batch_rounds, min(settings.warmup, 1))


def _of_bi_encoder(settings: SpeedSettings, sampled: int, query: Timed, sample: Timed) -> OneAgainstMany:
    return OneAgainstMany(
        candidates=settings.candidates,
        query_ms=percentiles_ms(query.seconds),
        extrapolated=False,
        sampled=sampled,
        index_seconds=float(np.median(sample.seconds)) * settings.candidates / sampled,
        steadiness={"query_ms": query.steadiness, "index_seconds": sample.steadiness},
    )


def _answer(query: str, sample: Sequence[str], candidates: int, model: BiEncoder) -> Callable[[], object]:
    """Return a call from the query's text to all scores, the candidates' vectors made beforehand."""
    vectors = np.resize(model.encode(sample), (candidates, model.encode([query]).shape[1]))
    return lambda: model.match(model.encode([query]), vectors)
