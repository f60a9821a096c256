"""What the quantization of each part of a graph costs, and which parts to keep in float32 so that little is lost.

A part is a group of products with one activation: query, key and value of a layer; its attention's output; each of
the two of its feed-forward. Every figure is measured: the graph runs on texts with this one group quantized.
"""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import PurePosixPath
from typing import Protocol

import numpy as np
import onnx

from decant.errors import InputError
from export.quantize.calibration import Feed, Floats, sentence_vectors
from export.quantize.row_products import weight_products

Groups = dict[str, frozenset[str]]


class Quantize(Protocol):
    """Rewrites a graph in place; of its products it quantizes those of these names, and no other."""

    def __call__(self, model: onnx.ModelProto, *, only: frozenset[str]) -> None: ...


@dataclass(frozen=True)
class Sensitivity:
    """What one group's quantization costs.

    Args:
        group: its place in the model.
        loss: 1 − mean cosine of the vectors with this group alone quantized to those of float32, 0..2.
        kept: whether it stays in float32.
    """

    group: str
    loss: float
    kept: bool = False


def product_groups(graph: onnx.GraphProto) -> Groups:
    """Group → names of its products, each the name of what the product computes; in the order of the graph."""
    by_activation: dict[str, list[str]] = {}
    for node in weight_products(graph):
        by_activation.setdefault(node.input[0], []).append(node.output[0])
    groups: Groups = {}
    for activation, products in by_activation.items():
        name = _common_place(products) or activation
        groups[name if name not in groups else activation] = frozenset(products)
    return groups


def rank_and_keep(
    model: onnx.ModelProto, alone: Quantize, together: Quantize, batches: Sequence[Feed], min_cosine: float | None
) -> list[Sensitivity]:
    """`measure_sensitivity`, then `keep_the_fewest`; nothing where no cosine is asked for.

    Args:
        model: float32; not changed.
        alone: quantizes products and nothing else.
        together: quantizes all that the precision does.
        batches: texts, as the graph takes them.
        min_cosine: least mean cosine of the vectors to those of float32, -1..1; or None.

    Raises:
        InputError: there are no texts, or the limit is not reached with all groups in float32.
    """
    if min_cosine is None:
        return []
    if not batches:
        raise InputError(f"min_cosine {min_cosine}: texts are needed to measure it; give calibration, or none")
    reference = sentence_vectors(model, batches)
    ranked = measure_sensitivity(model, alone, batches, reference)
    return keep_the_fewest(model, together, ranked, batches, reference, min_cosine)


def measure_sensitivity(
    model: onnx.ModelProto, quantize: Quantize, batches: Sequence[Feed], reference: Floats
) -> list[Sensitivity]:
    """Every group's loss, the greatest first.

    Args:
        model: float32; not changed.
        quantize: how a group is quantized.
        batches: texts, as the graph takes them.
        reference: the vectors that the model gives them, float32 [texts, dim].
    """
    losses = {
        group: 1 - _mean_cosine(model, quantize, products, batches, reference)
        for group, products in product_groups(model.graph).items()
    }
    return [Sensitivity(group, losses[group]) for group in sorted(losses, key=lambda one: -losses[one])]


def keep_the_fewest(
    model: onnx.ModelProto, quantize: Quantize, ranked: Sequence[Sensitivity], batches: Sequence[Feed],
    reference: Floats, min_cosine: float,
) -> list[Sensitivity]:  # fmt: skip
    """The groups again, the first of them kept in float32: the fewest with which the mean cosine is at least the limit.

    Args:
        model: float32; not changed.
        quantize: how the groups that are not kept are quantized; it may quantize the tables too.
        ranked: as `measure_sensitivity` gives them.
        batches: texts, as the graph takes them.
        reference: the vectors that the model gives them, float32 [texts, dim].
        min_cosine: least mean cosine of the vectors to those of float32, -1..1.

    Raises:
        InputError: it is not reached with all groups in float32.
    """
    groups = product_groups(model.graph)

    @cache
    def reached(count: int) -> float:
        quantized = frozenset().union(*(groups[one.group] for one in ranked[count:]))
        return _mean_cosine(model, quantize, quantized, batches, reference)

    losses = np.cumsum([0.0, *(one.loss for one in reversed(ranked))])[::-1]  # about what is lost with so many kept
    count = int(np.argmax(losses <= 1 - min_cosine))
    while count < len(ranked) and reached(count) < min_cosine:
        count += 1
    while count > 0 and reached(count - 1) >= min_cosine:
        count -= 1
    if reached(count) < min_cosine:
        most = f"{reached(count):.6f}"
        raise InputError(
            f"min_cosine {min_cosine}: with every product in float32 the mean cosine is {most}; ask for less"
        )
    return [Sensitivity(one.group, one.loss, place < count) for place, one in enumerate(ranked)]


def products_left(graph: onnx.GraphProto, ranked: Sequence[Sensitivity]) -> frozenset[str]:
    """The products that are not kept in float32: all, where nothing was ranked."""
    kept = {one.group for one in ranked if one.kept}
    return frozenset().union(*(products for group, products in product_groups(graph).items() if group not in kept))


def _mean_cosine(
    model: onnx.ModelProto, quantize: Quantize, products: frozenset[str], batches: Sequence[Feed], reference: Floats
) -> float:
    copied = onnx.ModelProto()
    copied.CopyFrom(model)
    quantize(copied, only=products)
    vectors = sentence_vectors(copied, batches).astype(np.float64)
    return float((vectors * reference).sum(axis=1).mean())


def _common_place(products: Sequence[str]) -> str:
    """`encoder/layer.0/attention/self` of `/encoder/layer.0/attention/self/query/MatMul_output_0` and the like."""
    places = [str(PurePosixPath(name.lstrip("/")).parent) for name in products]
    return "" if "." in places else posixpath.commonpath(places)
