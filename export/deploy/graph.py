"""Small changes to an encoder's graph, for runtimes that hand over ids or take states in another way."""

from __future__ import annotations

from pathlib import Path

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


def _rename_uses(graph: onnx.GraphProto, old: str, new: str) -> None:
    for node in graph.node:
        node.input[:] = [new if name == old else name for name in node.input]


def _save(model: onnx.ModelProto, path: Path) -> None:
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
