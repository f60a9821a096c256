"""Where one text's milliseconds go: tokenizer, encoder, pooling."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from export.node_times import pooling_share
from export.session import OnnxEncoder
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
    texts: Sequence[str],
    settings: SpeedSettings,
    clock: Clock = time.perf_counter,
) -> dict[str, LatencyParts]:
    """Time tokenizer and graph apart, one text a call, all models in turns; onnxruntime's node times part the graph.

    An OpenVINO graph is not parted.

    Args:
        served: by row name.
        texts: an evenly spaced sample of `settings.part_rounds` is used.
        settings: rounds, rest and threads.
        clock: returns seconds.

    Raises:
        ValueError: no text.
    """
    if not texts:
        raise ValueError("latency_parts needs at least one text")
    texts = evenly_spaced(texts, settings.part_rounds)
    calls: dict[str, Callable[[], object]] = {}
    ids = {name: encoder.tokenize(texts) for name, encoder in served.items()}
    for name, encoder in served.items():
        calls[f"tokenizer of {name}"] = batches_of(encoder.tokenize, texts, 1)
        calls[f"graph of {name}"] = batches_of(encoder.embed, ids[name], 1)

    def rest() -> None:
        time.sleep(settings.pause_ms / 1000)

    seconds = time_interleaved(calls, settings.part_rounds, settings.warmup, clock, rest)
    found = {}
    for name, encoder in served.items():
        tokenizer_ms = percentiles_ms(seconds[f"tokenizer of {name}"]).p50
        graph_ms = percentiles_ms(seconds[f"graph of {name}"]).p50
        if encoder.graph.suffix == ".xml":
            found[name] = LatencyParts(tokenizer_ms=tokenizer_ms, encoder_ms=graph_ms)
            continue
        pooling_ms = graph_ms * pooling_share(
            encoder.graph, [encoder.feed([row]) for row in ids[name]], settings.threads
        )
        found[name] = LatencyParts(tokenizer_ms=tokenizer_ms, encoder_ms=graph_ms - pooling_ms, pooling_ms=pooling_ms)
    return found
