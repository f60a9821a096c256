"""Parity: an exported graph gives torch's answers, and the same ones whatever stands beside a text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from decant.errors import GateError, InputError

if TYPE_CHECKING:  # who reads a recipe or a manifest needs no runtime
    from export.serve.session import OnnxComparator, OnnxEncoder, Progress
    from export.serve.static_session import StaticSession

Precision = Literal["fp32", "int8-dynamic", "int8-row", "int8-static", "int8-weights", "int4", "fp16", "int8"]
BATCH_INVARIANT: tuple[Precision, ...] = (
    "fp32",
    "fp16",
    "int8",
    "int8-row",
    "int8-static",
)  # a text's vector does not depend on its batch by design
Floats = NDArray[np.float32]
LEAVE_OUT = "leave {} out of export.precisions"
REMEDIES: dict[Precision, str] = {
    "fp32": "export it again, or allow that much by export.parity.min_cosine",
    "fp16": f"allow that much by export.parity.fp16_min_cosine, or {LEAVE_OUT}",
    "int8": f"try fp16, or {LEAVE_OUT}",
    "int8-dynamic": f"try int8-row, which scales each token by itself, or {LEAVE_OUT}",
    "int8-row": f"keep more of it in float32 (export.int8_row: outliers or min_cosine), or {LEAVE_OUT}",
    "int8-static": f"try int8-row, or more of export.calibration.texts, or {LEAVE_OUT}",
    "int8-weights": f"try int8-row, or a smaller export.int8_weights.block, or {LEAVE_OUT}",
    "int4": f"try int8-weights, or fine-tune for its rounding (export.quantize_aware), or {LEAVE_OUT}",
}
"""What to do where a graph is too far from torch."""
STATIC_INT4 = f"try int8, or {LEAVE_OUT}"  # of a static student, which has no layers to fine-tune
LOGITS_REMEDY = "export it again, or allow that much by export.parity.comparator_difference"
MIXED_ROWS = 16  # rows of a mixed batch, the long one included
PADDED_TEXTS = 64  # so many of the texts are padded to the full length: each costs as much as the longest
COMPARED_ALONE = 32


class ParitySettings(BaseModel, frozen=True, extra="forbid"):
    """What an exported graph must hold to."""

    texts: int = Field(default=500, ge=1, description="Texts compared: at least one of every token length.")
    min_cosine: float = Field(default=0.99999, ge=-1, le=1, description="fp32: lowest cosine to torch.")
    fp16_min_cosine: float = Field(default=0.9999, ge=-1, le=1, description="fp16 of a static student: the same.")
    table_min_cosine: float = Field(default=0.99, ge=-1, le=1, description="int8 of a static student: the same.")
    int8_min_cosine: float = Field(
        default=0.95,
        ge=-1,
        le=1,
        description="int8-…: lowest cosine to torch. It finds graphs that are wrong; the test sets tell the loss.",
    )
    int4_min_cosine: float = Field(default=0.85, ge=-1, le=1, description="int4: the same.")
    min_invariance: float = Field(
        default=0.9999,
        ge=-1,
        le=1,
        description="fp32, fp16, int8, int8-row and int8-static: lowest cosine of a text alone to itself in a batch.",
    )
    int8_min_invariance: float | None = Field(
        default=None,
        ge=-1,
        le=1,
        description="int8-dynamic, int8-weights, int4: the same; null measures it without a gate.",
    )
    comparator_difference: float = Field(
        default=1.0e-4, gt=0, description="Comparator and re-ranker: largest absolute difference of a logit to torch's."
    )


@dataclass(frozen=True)
class Parity:
    """Cosines, -1..1, each the lowest over the texts.

    Args:
        texts: how many were compared.
        min_cosine: a text alone in the graph against the reference.
        batch_invariance: alone against in a batch of other lengths, beside the longest text.
        padding_invariance: alone against alone and padded to `max_length`.
    """

    texts: int
    min_cosine: float
    batch_invariance: float
    padding_invariance: float


def check_parity(
    candidate: OnnxEncoder | StaticSession,
    texts: Sequence[str],
    reference: Floats,
    precision: Precision = "fp32",
    settings: ParitySettings | None = None,
    progress: Progress | None = None,
    called: str | None = None,
    *,
    static: bool = False,
) -> Parity:
    """Compare an exported encoder with torch and with itself.

    Args:
        candidate: the exported encoder.
        texts: as `texts_of_every_length` gives them.
        reference: torch's vectors of the texts, [texts, dim]; one array serves every precision.
        precision: chooses the gates of the settings.
        settings: the gates.
        progress: called with the number of texts finished since its last call.
        called: what an error calls the candidate; default: the graph of this precision.
        static: it is a static student's.

    Raises:
        GateError: a figure is below its gate; names figure, limit, worst text and what to do.
        InputError: the reference does not fit the texts and the candidate.
    """
    if not texts or reference.shape != (len(texts), candidate.dim):
        raise InputError(f"the reference is {list(reference.shape)}, not {[len(texts), candidate.dim]}")
    settings = settings or ParitySettings()
    ids = candidate.tokenize(texts)
    alone = np.zeros_like(reference)
    for row, tokens in enumerate(ids):
        alone[row] = candidate.embed([tokens])[0]
        if progress is not None:
            progress(1)
    sample = _spread(ids, PADDED_TEXTS)
    padded = np.concatenate([candidate.embed([ids[row]], candidate.max_length) for row in sample])
    cosines = {
        "min_cosine": _cosines(alone, reference),
        "batch_invariance": _cosines(alone, _in_mixed_batches(candidate, ids)),
        "padding_invariance": _cosines(alone[sample], padded),
    }
    shown = {"padding_invariance": [texts[row] for row in sample]}
    min_cosine, min_invariance = required_cosines(precision, settings)
    limits = {"min_cosine": min_cosine, "batch_invariance": min_invariance, "padding_invariance": min_invariance}
    for figure, limit in limits.items():
        if limit is not None:
            remedy = _remedy(precision, figure, cosines[figure], called, static)
            _hold(called or f"{precision} graph", figure, cosines[figure], limit, shown.get(figure, texts), remedy)
    return Parity(len(texts), **{figure: float(values.min()) for figure, values in cosines.items()})


def required_cosines(precision: Precision, settings: ParitySettings) -> tuple[float, float | None]:
    """Lowest allowed cosine to torch, and of a text alone to itself in other batches; None: no gate."""
    to_torch = {
        "fp32": settings.min_cosine, "fp16": settings.fp16_min_cosine, "int8": settings.table_min_cosine,
        "int4": settings.int4_min_cosine,
    }  # fmt: skip
    return (
        to_torch.get(precision, settings.int8_min_cosine),
        settings.min_invariance if precision in BATCH_INVARIANT else settings.int8_min_invariance,
    )


def check_comparator_parity(
    candidate: OnnxComparator, u: Floats, v: Floats, reference: Floats, settings: ParitySettings | None = None
) -> float:
    """Largest absolute difference between the graph's logits and torch's, in a batch and for pairs alone.

    Args:
        candidate: the exported comparator.
        u: first sentences' vectors, [pairs, dim].
        v: second sentences' vectors, [pairs, dim].
        reference: torch's logits, [pairs, outputs], or [pairs] for one output.
        settings: the gate.

    Raises:
        GateError: it is above `comparator_difference`.
        InputError: the shapes do not fit each other.
    """
    limit = (settings or ParitySettings()).comparator_difference
    if reference.size != len(u) * candidate.outputs or not len(u):
        raise InputError(f"the reference is {list(reference.shape)}, not {[len(u), candidate.outputs]}")
    expected = reference.reshape(len(u), candidate.outputs)
    batched = candidate.logits(u, v)
    alone = [candidate.logits(u[row : row + 1], v[row : row + 1])[0] for row in range(len(u))[:COMPARED_ALONE]]
    largest = float(max(np.abs(batched - expected).max(), np.abs(alone - expected[: len(alone)]).max()))
    if not largest <= limit:
        raise GateError(
            f"comparator: a logit is {largest:.2e} from torch's, above the limit {limit:.2e}; {LOGITS_REMEDY}"
        )
    return largest


def _remedy(precision: Precision, figure: str, cosines: NDArray[np.float64], called: str | None, static: bool) -> str:
    """What to do where this figure misses its gate."""
    if called is not None:
        return "leave it out of export.openvino"
    if np.isnan(cosines).any() and precision == "fp32":
        return "its weights give no numbers there: train it again at a lower learning_rate, or export it again"
    if figure == "min_cosine" and static and precision == "int4":
        return STATIC_INT4.format(precision)
    if figure == "min_cosine":
        return REMEDIES[precision].format(precision)
    if precision == "fp32":
        return "export it again, or allow that much by export.parity.min_invariance"
    if precision in BATCH_INVARIANT:
        return f"{LEAVE_OUT.format(precision)}, or allow that much by export.parity.min_invariance"
    return "try int8-row, which does not depend on the batch, or leave export.parity.int8_min_invariance out"


def _hold(
    candidate: str, figure: str, cosines: NDArray[np.float64], limit: float, texts: Sequence[str], remedy: str
) -> None:
    worst = int(np.argmin(cosines))  # a NaN counts as the lowest
    if not cosines[worst] >= limit:
        text = texts[worst] if len(texts[worst]) <= 60 else f"{texts[worst][:57]}..."
        raise GateError(f"{candidate}: {figure} {cosines[worst]:.6f} is below {limit}; worst text {text!r}; {remedy}")


def _in_mixed_batches(candidate: OnnxEncoder | StaticSession, ids: Sequence[Sequence[int]]) -> Floats:
    """Each text's vector from a batch of all lengths, the longest among them, float32 [texts, dim]."""
    order = np.argsort([len(row) for row in ids], kind="stable")
    longest = ids[order[-1]]
    batches = -(-len(ids) // (MIXED_ROWS - 1))
    vectors = np.zeros((len(ids), candidate.dim), np.float32)
    for batch in range(batches):
        rows = order[batch::batches]
        vectors[rows] = candidate.embed([longest, *(ids[row] for row in rows)])[1:]
    return vectors


def _spread(ids: Sequence[Sequence[int]], count: int) -> NDArray[np.int64]:
    """Row numbers of at most `count` texts, spread evenly over the lengths, shortest and longest included."""
    order = np.argsort([len(row) for row in ids], kind="stable")
    return order[np.unique(np.linspace(0, len(order) - 1, min(count, len(order))).round().astype(np.int64))]


def _cosines(first: Floats, second: Floats) -> NDArray[np.float64]:
    a, b = first.astype(np.float64), second.astype(np.float64)
    norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    products: NDArray[np.float64] = np.einsum("nd,nd->n", a, b) / np.maximum(norms, 1e-12)
    return products
