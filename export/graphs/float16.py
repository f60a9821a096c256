"""Float16 counterpart of a graph, for processors that multiply it faster: GPUs.

The backbone becomes float16. Pooling and the division by the norm stay float32: a float16 norm is off by up to 5e-4.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper

from decant.files import written_whole
from export.graphs.graph_file import load_graph

BACKBONE = "/backbone/"  # what the names of its nodes begin with
LARGEST = 1.0e4  # a mask's least float32 becomes -LARGEST: exp of it is 0, and no sum with it leaves float16


def convert_to_float16(source: Path, target: Path) -> None:
    """Write the graph with a float16 backbone; inputs and outputs stay as they are.

    Args:
        source: as `export_encoder` writes it; not changed.
        target: written whole or not at all; its folder is made.

    Raises:
        InputError: the source is missing, or no ONNX graph.
    """
    model = load_graph(source)
    floats, constants = _float_tensors(model), _float_constants(model)
    halves: dict[str, TensorProto] = {}
    nodes: list[NodeProto] = []
    inside: set[str] = set()  # float16 tensors that the backbone makes
    crossed: set[str] = set()  # those of them that a float32 copy was made of
    for node in model.graph.node:
        names = list(node.input)
        if node.name.startswith(BACKBONE) and node.op_type != "Constant":
            halves |= {name: _half(constants[name], f"{name}.half") for name in names if name in constants}
            _compute_in_half(node)
            inside |= set(node.output) & floats
            node.input[:] = [halves[name].name if name in halves else name for name in names]
        else:
            for name in [name for name in dict.fromkeys(names) if name in inside - crossed]:
                nodes.append(helper.make_node("Cast", [name], [f"{name}.float"], to=TensorProto.FLOAT))
                crossed.add(name)
            node.input[:] = [f"{name}.float" if name in inside else name for name in names]
        nodes.append(node)
    _replace(model, nodes, halves)
    with written_whole(target) as written:
        onnx.save(model, written)


def _float_constants(model: onnx.ModelProto) -> dict[str, TensorProto]:
    """Stored float32 tensors by name: weights, and what Constant nodes hold."""
    held = {one.output[0]: helper.get_node_attr_value(one, "value") for one in model.graph.node if _is_constant(one)}
    stored = held | {one.name: one for one in model.graph.initializer}
    return {name: tensor for name, tensor in stored.items() if tensor.data_type == TensorProto.FLOAT}


def _is_constant(node: NodeProto) -> bool:
    return node.op_type == "Constant" and any(attribute.name == "value" for attribute in node.attribute)


def _float_tensors(model: onnx.ModelProto) -> set[str]:
    """Names of the float32 tensors that nodes make."""
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True).graph
    every = [*inferred.value_info, *inferred.output]
    return {one.name for one in every if one.type.tensor_type.elem_type == TensorProto.FLOAT}


def _compute_in_half(node: NodeProto) -> None:
    """Make a node's own mentions of float32 float16."""
    for attribute in node.attribute:
        if node.op_type == "Cast" and attribute.name == "to" and attribute.i == TensorProto.FLOAT:
            attribute.i = TensorProto.FLOAT16
        if attribute.type == onnx.AttributeProto.TENSOR and attribute.t.data_type == TensorProto.FLOAT:
            attribute.t.CopyFrom(_half(attribute.t, attribute.t.name))


def _half(tensor: TensorProto, name: str) -> TensorProto:
    values = np.clip(numpy_helper.to_array(tensor), -LARGEST, LARGEST)
    return numpy_helper.from_array(values.astype(np.float16), name)


def _replace(model: onnx.ModelProto, nodes: list[NodeProto], halves: dict[str, TensorProto]) -> None:
    """Put the nodes and float16 weights into the model, and drop the weights and constants that nothing reads."""
    read = {name for node in nodes for name in node.input} | {edge.name for edge in model.graph.output}
    kept = [one for one in model.graph.initializer if one.name in read]
    alive = [node for node in nodes if read & set(node.output)]
    for field, values in (("node", alive), ("initializer", [*kept, *halves.values()])):
        model.graph.ClearField(field)
        getattr(model.graph, field).extend(values)
    model.graph.ClearField("value_info")
    onnx.checker.check_model(model, full_check=True)
