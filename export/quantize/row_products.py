"""Products with stored weights in integers, with one activation scale a token row.

With x [rows, K] float32, w [K, N] int8, its scale c [N] a column, and the bias b [N]:

    s = max |x| / 127 over each row               Abs, ReduceMax, Mul
    q = round(x / s) + 128, uint8                 QuantizeLinear along axis 0, a single pass
    y = (q − 128) · w, int32                      MatMulInteger, which takes the zero point; onnxruntime sums w once
    x · w + b ≈ s · y · c + b                     DequantizeLinear along axis 0, Mul, Add

Products of the same activation share s and q. A row of zeros has s = 0: whatever q is, s · y is 0.

Two things were found on the CPU in onnxruntime 1.31.1. `Mul(Cast(y), Mul(s, c))` is fused by it, at the same speed
as the above, but into a node that multiplies a bias behind it by s too. And a bias [N] before GELU is fused into
BiasGelu, which takes longer than Add and Gelu; b is stored as [1, N], which is not.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import NodeProto, numpy_helper

from export.quantize.integer_tables import is_lookup, look_up
from export.quantize.quantize_settings import TablePrecision
from export.quantize.row_graph import RowGraph, Rows, is_matrix
from export.quantize.scaled_weights import quantize_columns

Floats = NDArray[np.float32]
Columns = NDArray[np.int64]
ZERO_POINT, LARGEST_ACTIVATION = 128, 127
AXES_ARE_INPUT = 18  # the opset from which on ReduceMax takes its axes so


def weight_products(graph: onnx.GraphProto) -> list[NodeProto]:
    """The MatMul nodes with a stored float32 matrix on the right."""
    stored = {weight.name: weight for weight in graph.initializer}
    return [node for node in graph.node if node.op_type == "MatMul" and is_matrix(stored.get(node.input[1]))]


def to_integers(
    model: onnx.ModelProto, largest: int, tables: TablePrecision, kept: Mapping[str, Columns],
    only: frozenset[str] | None = None,
) -> None:  # fmt: skip
    """Rewrite a graph in place.

    Args:
        model: a float32 graph without fused nodes that hold weights.
        largest: of an int8 weight, 64 or 127.
        tables: what the tables that vectors are gathered from become.
        kept: activation → its columns that are multiplied in float32, int64 [columns].
        only: names of what the products compute that become integers; all, unless given.

    Raises:
        InputError: a weight is not finite.
    """
    graph = RowGraph(model)
    products = {node.output[0] for node in weight_products(model.graph)}
    products &= products if only is None else only
    done: set[str] = set()
    for node in model.graph.node:
        if node.output[0] in done:
            continue
        if node.output[0] in products:
            done.add(_product(graph, node, largest, kept.get(node.input[0])))
        elif is_lookup(graph, node):
            look_up(graph, node, tables)
        else:
            graph.keep(node)
    graph.finish()


def _product(graph: RowGraph, node: NodeProto, largest: int, columns: Columns | None) -> str:
    """Append a product, its bias added; the name of what is computed then."""
    activation, weight = node.input
    values = graph.finite(weight)
    integers, scales = quantize_columns(values if columns is None else _without(values, columns), largest)
    rows = graph.as_rows(activation, len(values))
    codes, scale = _quantized(graph, rows, columns)
    operands = [codes, graph.store(f"{weight}.int8", integers), graph.store("zero_point", np.uint8(ZERO_POINT))]
    product = graph.add("DequantizeLinear", [graph.add("MatMulInteger", operands), scale], axis=0)
    product = graph.add("Mul", [product, graph.store(f"{weight}.scale", scales)])
    if columns is not None:
        few = graph.add("Gather", [rows.name, graph.store(f"{activation}.kept", columns)], axis=1)
        exact = graph.add("MatMul", [few, graph.store(f"{weight}.kept", values[columns])])
        product = graph.add("Add", [product, exact])
    computed, biased = node.output[0], graph.added_bias(node.output[0], len(scales))
    if biased is not None:
        computed, bias = biased[0].output[0], biased[1][None]
        product = graph.add("Add", [product, graph.store(f"{computed}.bias", bias)])
    graph.set_rows(computed, product, len(scales), rows)
    return computed


def _quantized(graph: RowGraph, rows: Rows, columns: Columns | None) -> tuple[str, str]:
    """Codes, uint8 [rows, width], and scales, float32 [rows], of an activation; made once."""
    codes, scale = f"{rows.name}.codes", f"{rows.name}.scale"
    if (rows.name, "codes") in graph.made:
        return codes, scale
    sizes = graph.add("Abs", [rows.name])
    if columns is not None:  # their codes may saturate: the int8 weights that they meet are 0
        others = np.ones(rows.width, np.float32)
        others[columns] = 0
        sizes = graph.add("Mul", [sizes, graph.store(f"{rows.name}.others", others)])
    if graph.opset < AXES_ARE_INPUT:
        most = graph.add("ReduceMax", [sizes], axes=[1], keepdims=0)
    else:
        most = graph.add("ReduceMax", [sizes, graph.store("row_axis", np.array([1]))], keepdims=0)
    graph.add("Mul", [most, graph.store("activation_step", np.float32(1 / LARGEST_ACTIVATION))], scale)
    graph.add("QuantizeLinear", [rows.name, scale, _zero_points(graph, rows, scale)], codes, axis=0)
    graph.made[rows.name, "codes"] = codes
    return codes, scale


def _zero_points(graph: RowGraph, rows: Rows, scale: str) -> str:
    """The zero point once a row, uint8 [rows], as QuantizeLinear wants it."""
    key = (rows.origin, "zero points")
    if key not in graph.made:
        value = numpy_helper.from_array(np.array([ZERO_POINT], np.uint8))
        graph.made[key] = graph.add("ConstantOfShape", [graph.add("Shape", [scale])], value=value)
    return graph.made[key]


def _without(weights: Floats, inputs: Columns) -> Floats:
    others = weights.copy()
    others[inputs] = 0
    return others
