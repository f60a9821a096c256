"""onnxruntime's fused nodes that hold weights, taken apart so far that their weights can be quantized.

`Attention` multiplies by the weights of query, key and value inside, and `EmbedLayerNormalization` holds the
three tables; neither takes integers. Attention itself stays one node.
"""

from __future__ import annotations

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper

from decant.errors import InputError

CONTRIB = "com.microsoft"
KEPT_ATTRIBUTES = {"num_heads", "scale", "mask_filter_value", "unidirectional"}  # both operators have them
READ_INPUTS = {0, 1, 2, 3, 5}  # of Attention: states, weights, bias, mask, bias of the scores
MASK_INPUT, SUM_OUTPUT = 7, 2  # of EmbedLayerNormalization


def unfuse(model: onnx.ModelProto) -> None:
    """Rewrite a graph in place; one without such nodes stays as it is.

    `Attention` becomes three MatMul, one each for query, key and value, and `MultiHeadAttention`, which adds
    their biases. `EmbedLayerNormalization` becomes Gather, Add and LayerNormalization; attention reads the mask
    that was given to it, instead of the lengths that it counts.

    Raises:
        InputError: such a node is of a kind that no encoder's export gives.
    """
    graph = model.graph
    stored = {weight.name: weight for weight in graph.initializer}
    nodes: list[NodeProto] = []
    masks: dict[str, str] = {}  # counted lengths → the mask
    for node in graph.node:
        if node.op_type == "Attention" and node.domain == CONTRIB:
            nodes += _attention(node, graph, stored, masks)
        elif node.op_type == "EmbedLayerNormalization":
            nodes += _embedding(node, graph, masks)
        else:
            nodes.append(node)
    if any(name in masks for node in nodes for name in node.input):
        raise InputError("something other than attention reads the lengths of EmbedLayerNormalization")
    del graph.node[:]
    graph.node.extend(nodes)


def _attention(
    node: NodeProto, graph: onnx.GraphProto, stored: dict[str, TensorProto], masks: dict[str, str]
) -> list[NodeProto]:
    inputs = list(node.input) + [""] * (6 - len(node.input))
    kept = {one.name: helper.get_attribute_value(one) for one in node.attribute if one.name in KEPT_ATTRIBUTES}
    others = {one.name for one in node.attribute if helper.get_attribute_value(one)} - KEPT_ATTRIBUTES
    read_too = [name for place, name in enumerate(inputs) if name and place not in READ_INPUTS]
    if others or read_too or len(node.output) > 1 or inputs[1] not in stored:
        raise InputError(f"the node {node.name!r} is not the Attention of an encoder; export the model again")
    weights = numpy_helper.to_array(stored[inputs[1]])
    parts, nodes = [], []
    for name, part in zip(("query", "key", "value"), np.split(weights, 3, axis=1), strict=True):
        parts.append(f"{node.output[0]}.{name}")
        _store(graph, f"{inputs[1]}.{name}", np.ascontiguousarray(part))
        nodes.append(helper.make_node("MatMul", [inputs[0], f"{inputs[1]}.{name}"], [parts[-1]]))
    read = [*parts, inputs[2], masks.get(inputs[3], inputs[3]), inputs[5]]
    fused = helper.make_node("MultiHeadAttention", read, node.output, node.name, domain=CONTRIB, **kept)
    return [*nodes, fused]


def _embedding(node: NodeProto, graph: onnx.GraphProto, masks: dict[str, str]) -> list[NodeProto]:
    inputs = list(node.input) + [""] * (9 - len(node.input))
    ids, types, words, positions, type_table, gain, shift, mask, position_ids = inputs
    outputs = list(node.output) + [""] * (3 - len(node.output))
    name = outputs[0]
    nodes = [helper.make_node("Gather", [words, ids], [f"{name}.words"])]
    if not position_ids:
        position_ids = f"{name}.position_ids"
        nodes += _counted(graph, ids, name, position_ids)
    nodes += [
        helper.make_node("Gather", [positions, position_ids], [f"{name}.positions"]),
        helper.make_node("Add", [f"{name}.words", f"{name}.positions"], [f"{name}.placed"]),
    ]
    total = f"{name}.placed"
    if types:
        total = outputs[SUM_OUTPUT] or f"{name}.sum"
        nodes.append(helper.make_node("Gather", [type_table, types], [f"{name}.types"]))
        nodes.append(helper.make_node("Add", [f"{name}.placed", f"{name}.types"], [total]))
    epsilon = {one.name: helper.get_attribute_value(one) for one in node.attribute if one.name == "epsilon"}
    nodes.append(helper.make_node("LayerNormalization", [total, gain, shift], [name], node.name, **epsilon))
    if mask:
        masks[outputs[1]] = mask
    return nodes


def _counted(graph: onnx.GraphProto, ids: str, name: str, position_ids: str) -> list[NodeProto]:
    """Positions 0..length-1."""
    for part, number in (("first", 0), ("step", 1)):
        _store(graph, f"{name}.{part}", np.array(number, np.int64))
    return [
        helper.make_node("Shape", [ids], [f"{name}.shape"]),
        helper.make_node("Gather", [f"{name}.shape", f"{name}.step"], [f"{name}.length"]),
        helper.make_node("Range", [f"{name}.first", f"{name}.length", f"{name}.step"], [position_ids]),
    ]


def _store(graph: onnx.GraphProto, name: str, values: NDArray[np.generic]) -> None:
    graph.initializer.append(numpy_helper.from_array(values, name))
