"""Where one text's milliseconds go: tokenizer, encoder, pooling."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from export.graphs.node_times import pooling_share
from export.serve.session import OnnxEncoder
from pipeline.measure.speed import (
    Clock,
    LatencyParts,
    SpeedSettings,
    batches_of,
    evenly_spaced,
    percentiles_ms,
    time_interleaved,
)


def latency_parts(
    served: Mapping[str, OnnxEncoder],
    whole_ms: Mapping[str, float],
    texts: Sequence[str],
    settings: SpeedSettings,
    clock: Clock = time.perf_counter,
) -> dict[str, LatencyParts]:
    """The parts of each model's latency for one text, which they add up to.

    The tokenizer is timed by itself, one text a call, all models in turns. The rest of the latency is the graph's,
    parted by onnxruntime's node times; an OpenVINO graph is not parted.

    Args:
        served: by row name.
        whole_ms: median milliseconds for one text, by row name.
        texts: an evenly spaced sample of `settings.part_rounds` is used.
        settings: rounds, rest and threads.
        clock: returns seconds.

    Raises:
        ValueError: no text.
    """
    if not texts:
        raise ValueError("latency_parts needs at least one text")
    texts = evenly_spaced(texts, settings.part_rounds)
    calls = {name: batches_of(encoder.tokenize, texts, 1) for name, encoder in served.items()}

    seconds = time_interleaved(calls, settings.part_rounds, settings.warmup, clock, settings.rest)
    found = {}
    for name, encoder in served.items():
        tokenizer_ms = min(percentiles_ms(seconds[name]).p50, whole_ms[name])
        graph_ms = whole_ms[name] - tokenizer_ms
        if encoder.graph.suffix == ".xml":
            found[name] = LatencyParts(tokenizer_ms=tokenizer_ms, encoder_ms=graph_ms)
            continue
        feeds = [encoder.feed([row]) for row in encoder.tokenize(texts)]
        pooling_ms = graph_ms * pooling_share(encoder.graph, feeds, settings.threads)
        found[name] = LatencyParts(tokenizer_ms=tokenizer_ms, encoder_ms=graph_ms - pooling_ms, pooling_ms=pooling_ms)
    return found
