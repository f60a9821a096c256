"""Small changes to an encoder's graph, for runtimes that hand over ids or take states in another way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper


def end_full_rows(source: Path, path: Path, last_id: int, max_length: int) -> None:
    """Let a row of `max_length` tokens end in the special token that a cut text must end in.

    For a runtime that cuts after the special tokens were added, and so loses the last one. Rows that are shorter, or
    end in it already, are what they were.

    Args:
        source: an encoder's graph.
        path: written.
        last_id: the special token's id.
        max_length: tokens, 1 or more; no row is longer.
    """
    model = onnx.load(str(source))
    graph = model.graph
    _rename_uses(graph, "input_ids", "ended_ids")
    constants = {"ending_axis": 1, "ending_length": max_length, "ending_id": last_id}
    graph.initializer.extend(
        numpy_helper.from_array(np.array(value, np.int64), name) for name, value in constants.items()
    )
    nodes = [
        helper.make_node("CumSum", ["attention_mask", "ending_axis"], ["token_number"], name="ending_count"),
        helper.make_node("Equal", ["token_number", "ending_length"], ["is_last"], name="ending_is_last"),
        helper.make_node("Where", ["is_last", "ending_id", "input_ids"], ["ended_ids"], name="ending_where"),
    ]
    for place, node in enumerate(nodes):
        graph.node.insert(place, node)
    _save(model, path)


def widen_states(source: Path, path: Path, width: int) -> None:
    """Pad `last_hidden_state` with zeros to `width`: for a reader that cuts after it has pooled.

    Args:
        source: an encoder's graph whose states are cut to fewer than `width` dimensions.
        path: written.
        width: of the states before the cut.
    """
    model = onnx.load(str(source))
    graph = model.graph
    output = next(edge for edge in graph.output if edge.name == "last_hidden_state")
    last = output.type.tensor_type.shape.dim[2]
    missing = width - last.dim_value
    _rename_uses(graph, "last_hidden_state", "cut_states")
    for node in graph.node:
        node.output[:] = ["cut_states" if name == "last_hidden_state" else name for name in node.output]
    pads = numpy_helper.from_array(np.array([0, 0, 0, 0, 0, missing], np.int64), "widening_pads")
    graph.initializer.append(pads)
    graph.node.append(
        helper.make_node("Pad", ["cut_states", "widening_pads"], ["last_hidden_state"], name="widening_pad")
    )
    last.dim_value = width
    _save(model, path)


def vector_alone(source: Path, path: Path) -> None:
    """Leave `sentence_embedding` as the only output: for a runtime that takes the first one.

    Args:
        source: an encoder's graph.
        path: written.
    """
    model = onnx.load(str(source))
    kept = [edge for edge in model.graph.output if edge.name == "sentence_embedding"]
    del model.graph.output[:]
    model.graph.output.extend(kept)
    _save(model, path)


def spell_out_rows(source: Path, path: Path) -> None:
    """Quantize and dequantize rows by elementary operators, where a graph has one computed scale a row.

    For OpenVINO, whose QuantizeLinear takes a scale a row only where the number of rows is fixed. Codes are the same.

    Args:
        source: an encoder's graph; one without such scales is copied as it is.
        path: written.
    """
    model = onnx.load(str(source))
    graph = model.graph
    nodes = [part for node in graph.node for part in (_spelled_out(node) if _is_by_rows(graph, node) else [node])]
    del graph.node[:]
    graph.node.extend(nodes)
    constants = {"rows_axis": np.array([1], np.int64), "rows_zero": np.float32(0), "rows_most": np.float32(255)}
    constants["rows_least_scale"] = np.float32(np.finfo(np.float32).tiny)  # of a row of zeros
    graph.initializer.extend(numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items())
    _save(model, path)


def _is_by_rows(graph: onnx.GraphProto, node: onnx.NodeProto) -> bool:
    if node.op_type not in ("QuantizeLinear", "DequantizeLinear"):
        return False
    stored = {tensor.name for tensor in graph.initializer}
    return node.input[1] not in stored and any(one.name == "axis" and one.i == 0 for one in node.attribute)


def _spelled_out(node: onnx.NodeProto) -> list[onnx.NodeProto]:
    """A node by rows in elementary operators; q = clip(round(x / s) + z), and x = s · q where z is 0."""
    name, scale = node.output[0], f"{node.output[0]}.column"
    made = [helper.make_node("Unsqueeze", [node.input[1], "rows_axis"], [scale], name=scale)]

    def add(kind: str, inputs: list[str], end: str, **attributes: Any) -> str:
        made.append(helper.make_node(kind, inputs, [end], name=end, **attributes))
        return end

    if node.op_type == "DequantizeLinear":
        number = add("Cast", [node.input[0]], f"{name}.number", to=onnx.TensorProto.FLOAT)
        add("Mul", [number, scale], name)
        return made
    zero = add("Cast", [node.input[2]], f"{name}.zero", to=onnx.TensorProto.FLOAT)
    zero = add("Unsqueeze", [zero, "rows_axis"], f"{zero}.column")
    scale = add("Max", [scale, "rows_least_scale"], f"{scale}.positive")
    rounded = add("Round", [add("Div", [node.input[0], scale], f"{name}.steps")], f"{name}.rounded")
    shifted = add("Add", [rounded, zero], f"{name}.shifted")
    clipped = add("Clip", [shifted, "rows_zero", "rows_most"], f"{name}.clipped")
    add("Cast", [clipped], name, to=onnx.TensorProto.UINT8)
    return made


def _rename_uses(graph: onnx.GraphProto, old: str, new: str) -> None:
    for node in graph.node:
        node.input[:] = [new if name == old else name for name in node.input]


def _save(model: onnx.ModelProto, path: Path) -> None:
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
