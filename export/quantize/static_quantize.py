"""int8 with one scale an activation, fixed beforehand on texts: the fastest, as nothing is measured while it runs.

Weights and the activations that they meet pass through QuantizeLinear and DequantizeLinear, of which onnxruntime,
OpenVINO and TensorRT make integer products. A text's vector cannot depend on its batch. activation_scale.py says how
the scales are found, and which columns are multiplied in float32 beside them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import onnx
from onnx import NodeProto
from pydantic import Field

from decant.errors import InputError
from export.graphs.graph_file import rewritten
from export.graphs.unfuse import unfuse
from export.quantize.activation_scale import Fit, fit_activation
from export.quantize.calibration import Feed, Floats, rows_of_batches
from export.quantize.column_weights import quantize_columns
from export.quantize.integer_settings import IntegerSettings, MinCosine
from export.quantize.integer_tables import TablePrecision, is_lookup, look_up
from export.quantize.row_graph import RowGraph
from export.quantize.row_products import weight_products
from export.quantize.sensitivity import Sensitivity, products_left, rank_and_keep

SAMPLE_ROWS = 1024  # token rows of each activation that its scale is found on


class StaticQuantizeSettings(IntegerSettings, frozen=True, extra="forbid"):
    """How activations are fitted into 8 bits."""

    outliers: int = Field(
        default=2,
        ge=0,
        le=64,
        description="So many columns of an activation, of its largest values, are multiplied in float32 where that "
        "leaves less than half of the error.",
    )
    percentiles: tuple[Annotated[float, Field(ge=90, le=100)], ...] = Field(
        default=(99.99, 100),
        min_length=1,
        description="Of an activation's values that its range may hold; each takes the best, 100 being all of them.",
    )
    min_cosine: MinCosine = None


def quantize_static(
    source: Path, target: Path, settings: StaticQuantizeSettings | None = None, calibration: Sequence[Feed] = ()
) -> list[Sensitivity]:
    """Write the int8 counterpart of a float32 graph, the scales of its activations fixed.

    Args:
        source: as `export_encoder` writes it, or fused by `onnxruntime.transformers`; not changed.
        target: written whole or not at all; its folder is made.
        settings: how activations are fitted.
        calibration: batches as the graph takes them.

    Returns:
        What each group of products costs, the costliest first; nothing unless `min_cosine` asks for it.

    Raises:
        InputError: the source is missing, is no ONNX graph, or holds no weight that could be quantized or one that
            is not finite; there are no texts, or they give activations that are not finite; or `min_cosine` is more
            than there is.
    """
    settings = settings or StaticQuantizeSettings()
    with rewritten(source, target) as model:
        unfuse(model)
        if not weight_products(model.graph):
            raise InputError("no MatMul in it has a stored weight, so int8 would change nothing")
        if not calibration:
            raise InputError("texts are needed to fix the scales of activations; give calibration")
        products_alone = partial(_rewrite, fits=_fits(model, settings, calibration), settings=settings, tables="fp32")
        whole = partial(products_alone, tables=settings.tables)
        ranked = rank_and_keep(model, products_alone, whole, calibration, settings.min_cosine)
        whole(model, only=products_left(model.graph, ranked))
    return ranked


def _rewrite(
    model: onnx.ModelProto, fits: Mapping[str, Fit], settings: StaticQuantizeSettings, tables: TablePrecision,
    only: frozenset[str],
) -> None:  # fmt: skip
    graph = RowGraph(model)
    for node in model.graph.node:
        if node.output[0] in only:
            _product(graph, node, fits[node.input[0]], settings.largest)
        elif is_lookup(graph, node):
            look_up(graph, node, tables)
        else:
            graph.keep(node)
    graph.finish()


def _fits(model: onnx.ModelProto, settings: StaticQuantizeSettings, calibration: Sequence[Feed]) -> dict[str, Fit]:
    """Every activation's."""
    graph = RowGraph(model)
    weights: dict[str, list[Floats]] = {}
    for node in weight_products(model.graph):
        weights.setdefault(node.input[0], []).append(graph.finite(node.input[1]))
    sizes: dict[str, Floats] = {}
    samples: dict[str, list[Floats]] = {name: [] for name in weights}
    each = -(-SAMPLE_ROWS // len(calibration))
    for found in rows_of_batches(model, list(weights), calibration):
        for name, rows in found.items():
            sizes[name] = np.maximum(sizes.get(name, np.float32(0)), np.abs(rows).max(axis=0))
            samples[name].append(rows[np.linspace(0, len(rows) - 1, min(each, len(rows))).astype(np.int64)])
    for name, largest in sizes.items():
        if not np.isfinite(largest).all():
            raise InputError(f"the activation {name!r} is not finite on the calibration texts; train the model again")
    ways = settings.percentiles, settings.outliers, settings.largest
    return {
        name: fit_activation(np.concatenate(samples[name]), sizes[name], np.concatenate(of_name, axis=1), *ways)
        for name, of_name in weights.items()
    }


def _product(graph: RowGraph, node: NodeProto, fit: Fit, largest: int) -> None:
    activation, weight = node.input
    product = node.output[0]  # what is stored is named by it: another product may share the weight
    values = graph.finite(weight)
    others = values.copy()
    others[fit.kept] = 0
    integers, scales = quantize_columns(others, largest)
    stored = [
        graph.store(f"{product}.int8", integers),
        graph.store(f"{product}.scale", scales),
        graph.store(f"zeros_{len(scales)}", np.zeros(len(scales), np.int8)),
    ]
    operands = [_restored(graph, activation, fit), graph.add("DequantizeLinear", stored, axis=1)]
    if not len(fit.kept):
        graph.add("MatMul", operands, product)
        return
    few = graph.add("MatMul", [_kept(graph, activation, fit), graph.store(f"{product}.kept", values[fit.kept])])
    graph.add("Add", [graph.add("MatMul", operands), few], product)


def _restored(graph: RowGraph, activation: str, fit: Fit) -> str:
    """The activation, brought to its codes and back; made once."""
    key = (activation, "restored")
    if key not in graph.made:
        steps = [graph.store(f"{activation}.scale", fit.scale), graph.store(f"{activation}.zero", fit.zero_point)]
        codes = graph.add("QuantizeLinear", [activation, *steps])
        graph.made[key] = graph.add("DequantizeLinear", [codes, *steps])
    return graph.made[key]


def _kept(graph: RowGraph, activation: str, fit: Fit) -> str:
    """The activation's columns that are multiplied in float32; made once."""
    key = (activation, "kept")
    if key not in graph.made:
        graph.made[key] = graph.add("Gather", [activation, graph.store(f"{activation}.kept", fit.kept)], axis=-1)
    return graph.made[key]
