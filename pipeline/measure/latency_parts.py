"""Where one text's milliseconds go: tokenizer, encoder, pooling."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from decant.progress import Advance
from export.graphs.node_times import pooling_share
from export.serve.session import OnnxEncoder
from export.serve.static_session import StaticSession
from pipeline.measure.rounds import Clock, Rounds, batches_of, period_of, repeated, time_rounds
from pipeline.measure.speed import LatencyParts, SpeedSettings, evenly_spaced, percentiles_ms


def latency_parts(
    served: Mapping[str, OnnxEncoder | StaticSession],
    whole_ms: Mapping[str, float],
    texts: Sequence[str],
    settings: SpeedSettings,
    clock: Clock = time.perf_counter,
    advance: Advance | None = None,
) -> dict[str, LatencyParts]:
    """The parts of each model's latency for one text, which they add up to.

    The tokenizer is timed by itself, one text a call, all models in turns. The rest of the latency is the graph's,
    parted by onnxruntime's node times; an OpenVINO graph is not parted, nor is a static student's table.

    Args:
        served: by row name.
        whole_ms: median milliseconds for one text, by row name.
        texts: an evenly spaced sample of `settings.part_rounds` is used.
        settings: rounds, rest and threads.
        clock: returns seconds.
        advance: told of each model as it is timed; counts `parts_steps` in all.

    Raises:
        ValueError: no text.
    """
    if not texts:
        raise ValueError("latency_parts needs at least one text")
    texts = evenly_spaced(texts, settings.part_rounds)
    rounds = _rounds(settings)
    twice = repeated(evenly_spaced(texts, rounds.period), rounds.period)
    calls = {name: batches_of(encoder.tokenize, twice, 1) for name, encoder in served.items()}
    timed = time_rounds(calls, rounds, settings, clock, advance)
    found = {}
    for name, encoder in served.items():
        tokenizer_ms = min(percentiles_ms(timed[name].seconds).p50, whole_ms[name])
        graph_ms, judged = whole_ms[name] - tokenizer_ms, {"tokenizer_ms": timed[name].steadiness}
        if isinstance(encoder, StaticSession) or encoder.graph.suffix == ".xml":
            found[name] = LatencyParts(tokenizer_ms=tokenizer_ms, encoder_ms=graph_ms, steadiness=judged)
            continue
        feeds = [encoder.feed([row]) for row in encoder.tokenize(texts)]
        pooling_ms = graph_ms * pooling_share(encoder.graph, feeds, settings.threads)
        found[name] = LatencyParts(
            tokenizer_ms=tokenizer_ms, encoder_ms=graph_ms - pooling_ms, pooling_ms=pooling_ms, steadiness=judged
        )
    return found


def parts_steps(settings: SpeedSettings, models: int) -> int:
    """What `latency_parts` counts of so many models, added rounds left out."""
    return models * _rounds(settings).steps


def _rounds(settings: SpeedSettings) -> Rounds:
    return Rounds(settings.part_rounds, settings.warmup, period_of(settings.part_rounds))
