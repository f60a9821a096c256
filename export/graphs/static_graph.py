"""A static student as an ONNX graph, with the inputs and outputs of every other, in standard operators alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper

from decant.errors import InputError
from decant.files import written_whole
from export.graphs.vector_kinds import WHOLE
from export.quantize.static_table import HALF, own_direction, table_shape

OPSET = 17  # as of every other graph
STATES = "last_hidden_state"
INPUTS = ("input_ids", "attention_mask")


class _Nodes:
    """Nodes and stored tensors of a graph that is being written."""

    def __init__(self) -> None:
        self.nodes: list[NodeProto] = []
        self.stored: dict[str, NDArray[Any]] = {}

    def add(self, kind: str, inputs: list[str], end: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(kind, inputs, [end], name=end, **attributes))
        return end

    def store(self, name: str, value: NDArray[Any] | np.float32) -> str:
        self.stored[name] = np.asarray(value, order="C")
        return name


def export_static(tensors: Mapping[str, NDArray[Any]], path: Path, max_length: int) -> None:
    """Write a static student's graph as one file.

    Inputs: int64 `input_ids`, `attention_mask` [batch, length]. Outputs: float32 `last_hidden_state`
    [batch, length, dim], the tokens' rows and zeros behind them, and `sentence_embedding` [batch, dim], their sum at
    unit length; of a sum of zeros the table's `own_direction`. Metadata as of `export_encoder`'s graphs.

    Args:
        tensors: as `stored_table` gives them.
        path: written whole or not at all; its folder is made.
        max_length: tokens of a text.

    Raises:
        InputError: the tensors are no table.
    """
    rows, dim = table_shape(tensors)
    graph = _Nodes()
    mask = graph.add("Cast", [INPUTS[1]], "mask", to=TensorProto.FLOAT)
    column = graph.add("Unsqueeze", [mask, graph.store("last_axis", np.array([2]))], "mask_column")
    graph.add("Mul", [_rows(graph, tensors, dim), column], STATES)
    total = graph.add("ReduceSum", [STATES, graph.store("token_axis", np.array([1]))], "sum", keepdims=0)
    length = graph.add("ReduceL2", [total], "length", axes=[1], keepdims=1)
    is_zero = graph.add("Equal", [length, graph.store("zero", np.float32(0))], "is_zero")
    total = graph.add("Where", [is_zero, graph.store("own_direction", own_direction(tensors)), total], "direction")
    length = graph.add("Where", [is_zero, graph.store("one", np.float32(1)), length], "divisor")
    graph.add("Div", [total, length], WHOLE)
    model = helper.make_model(
        helper.make_graph(
            graph.nodes, "static_student",
            [helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "length"]) for name in INPUTS],
            [
                helper.make_tensor_value_info(STATES, TensorProto.FLOAT, ["batch", "length", dim]),
                helper.make_tensor_value_info(WHOLE, TensorProto.FLOAT, ["batch", dim]),
            ],
            [numpy_helper.from_array(value, name) for name, value in graph.stored.items()],
        ),
        opset_imports=[helper.make_opsetid("", OPSET)], producer_name="decant",
    )  # fmt: skip
    model.ir_version = 8  # the oldest that goes with this opset
    facts = {"layers": 0, "heads": 0, "hidden_size": dim, "dim": dim, "pooling": "mean", "max_length": max_length}
    helper.set_model_props(model, {key: str(value) for key, value in facts.items()})
    if sum(value.nbytes for value in graph.stored.values()) >= onnx.checker.MAXIMUM_PROTOBUF:
        raise InputError(f"{path.name}: a table of {rows} rows of {dim} numbers; one ONNX file holds at most 2 GiB")
    onnx.checker.check_model(model, full_check=True)
    with written_whole(path) as written:
        onnx.save(model, written)


def _rows(graph: _Nodes, tensors: Mapping[str, NDArray[Any]], dim: int) -> str:
    """The rows of the tokens, float32 [batch, length, dim]."""

    def looked_up(name: str) -> str:
        found = graph.add("Gather", [graph.store(name, tensors[name]), INPUTS[0]], f"{name}_of_tokens")
        cast = tensors[name].dtype != np.float32
        return graph.add("Cast", [found], f"{name}_float", to=TensorProto.FLOAT) if cast else found

    if "packed" not in tensors:
        entries = looked_up("embeddings")
        if "weights" not in tensors:
            return entries
        scale = graph.add("Unsqueeze", [looked_up("weights"), "last_axis"], "scale_column")
        return graph.add("Mul", [entries, scale], "rows")
    both, scales = looked_up("packed"), looked_up("scales")
    sixteen = graph.store("sixteen", np.float32(16))
    high = graph.add("Floor", [graph.add("Div", [both, sixteen], "sixteenths")], "high")
    low = graph.add("Sub", [both, graph.add("Mul", [high, sixteen], "high_part")], "low")
    raised = graph.add("Concat", [low, high], "raised", axis=-1)
    codes = graph.add("Sub", [raised, graph.store("half", np.float32(HALF))], "codes")
    blocks = tensors["scales"].shape[1]
    by_blocks = graph.store("by_blocks", np.array([0, 0, blocks, dim // blocks]))
    blocked = graph.add("Reshape", [codes, by_blocks], "blocked")
    scale = graph.add("Unsqueeze", [scales, graph.store("block_axis", np.array([3]))], "scale_column")
    scaled = graph.add("Mul", [blocked, scale], "scaled")
    return graph.add("Reshape", [scaled, graph.store("whole_row", np.array([0, 0, dim]))], "rows")
