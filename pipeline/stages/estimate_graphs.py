"""About how long stage `graphs` takes: the parity texts through torch once a cut, and thrice through each graph."""

from __future__ import annotations

from export.graphs.parity import MIXED_ROWS, PADDED_TEXTS, Precision
from pipeline.stages.estimate import Estimate

EXPORT_SECONDS = 6.0  # of a graph from torch, its attention fused
WRITE_SECONDS: dict[Precision, float] = {  # of a precision's graph, its session opened
    "fp32": 1.0, "fp16": 1.0, "int8": 1.0, "int8-dynamic": 2.0, "int8-row": 3.0, "int8-static": 10.0,
    "int8-weights": 3.0, "int4": 3.0,
}  # fmt: skip
RATES: dict[Precision, float] = {  # times as fast as torch, in onnxruntime on batches (docs/results.md)
    "fp32": 1.5, "fp16": 1.5, "int8": 1.5, "int8-dynamic": 3.2, "int8-row": 2.3, "int8-static": 2.6,
    "int8-weights": 1.7, "int4": 1.6,
}  # fmt: skip


def graph_seconds(estimate: Estimate) -> float:
    """Every cut in every precision, each held to torch on texts of every length."""
    settings, size, total = estimate.recipe.export, estimate.student_size, 5.0
    for depth in estimate.depths:
        a_token = 2 * size.weights * depth / max(1, size.layers) / estimate.forward
        total += EXPORT_SECONDS + a_token * _every_length(estimate)
        for precision in settings.precisions:
            total += WRITE_SECONDS[precision] + a_token / RATES[precision] * parity_tokens(estimate)
    return total


def parity_tokens(estimate: Estimate) -> float:
    """Tokens that a graph reads for its gates: each text alone, in a batch beside the longest, and some padded."""
    longest, texts = estimate.max_length, max(estimate.recipe.export.parity.texts, estimate.max_length)
    beside_the_longest = texts * MIXED_ROWS / (MIXED_ROWS - 1) * longest
    return _every_length(estimate) + beside_the_longest + min(texts, PADDED_TEXTS) * longest


def _every_length(estimate: Estimate) -> float:
    longest = estimate.max_length
    return longest**2 / 2 + max(0, estimate.recipe.export.parity.texts - longest) * estimate.test_tokens
