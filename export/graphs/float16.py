"""Float16 counterpart of a graph, for processors that multiply it faster: GPUs.

The backbone becomes float16. Pooling and the division by the norm stay float32: a float16 norm is off by up to 5e-4.
"""

from __future__ import annotations

from pathlib import Path

import onnx

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
    from onnxruntime.transformers.onnx_model import OnnxModel  # it puts a folder of its own on the import path

    model = OnnxModel(load_graph(source))
    within = {name for node in model.nodes() if node.name.startswith(BACKBONE) for name in (*node.input, *node.output)}
    model.convert_float_to_float16(
        use_symbolic_shape_infer=False, op_block_list=[], max_finite_val=LARGEST,
        node_block_list=[node.name for node in model.nodes() if within.isdisjoint(node.output)],
    )  # fmt: skip
    graph = model.model.graph
    once = {node.output[0]: node for node in graph.node}  # it casts a tensor again for each node that reads it
    for field, values in (("node", list(once.values())), ("value_info", ())):
        graph.ClearField(field)
        getattr(graph, field).extend(values)
    model.topological_sort()
    onnx.checker.check_model(model.model, full_check=True)
    with written_whole(target) as written:
        onnx.save(model.model, written)
