"""Vectors in a quarter or a thirty-second of their bytes: int8 and binary outputs of an encoder's graph.

With v [dim] a unit vector and s the step:

    int8     round(v / s), clipped to -128..127; one step for all dimensions, so products of codes rank like cosines
    binary   the signs, v > 0, eight a byte, the first dimension in a byte's highest bit (numpy.packbits)

They stand behind the outputs that every runtime reads, so that no reader of those is changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from decant.errors import InputError
from export.graphs.graph_file import rewritten
from export.graphs.vector_kinds import OUTPUTS, WHOLE, SmallVector

STEP = "int8_step"  # of the graph's metadata
LARGEST_CODE, BITS = 127, 8
Floats = NDArray[np.float32]


def int8_step(vectors: Floats, coverage: float = 0.9999) -> float:
    """The step with which so many of the vectors' values are not clipped.

    Args:
        vectors: of the kind of text that will be served, [texts, dim].
        coverage: share of the values, above 0 and at most 1.

    Raises:
        InputError: no value, one that is not finite, or zeros alone.
    """
    if not vectors.size or not np.isfinite(vectors).all():
        raise InputError("an int8 step is calibrated on finite vectors; give some texts, or train the model again")
    largest = float(np.quantile(np.abs(vectors), coverage))
    if largest <= 0:
        raise InputError("an int8 step cannot be calibrated: the vectors hold zeros alone; train the model again")
    return largest / LARGEST_CODE


def add_small_vectors(graph: Path, kinds: Sequence[SmallVector], step: float | None = None) -> None:
    """Give an encoder's graph further outputs; it is replaced whole or not at all.

    Outputs: int8 `sentence_embedding_int8` [batch, dim], uint8 `sentence_embedding_binary` [batch, dim / 8].

    Args:
        graph: as `export_encoder` or a quantizer writes it.
        kinds: which to add.
        step: of int8, as `int8_step` calibrates it.

    Raises:
        InputError: the graph is missing or no encoder's, has such an output already, a binary vector's dim is not a
            multiple of 8, or int8 has no step.
    """
    with rewritten(graph, graph) as model:
        outputs = {edge.name: edge for edge in model.graph.output}
        if WHOLE not in outputs:
            raise InputError(f"it has no output {WHOLE}; export the encoder with Decant")
        dim = outputs[WHOLE].type.tensor_type.shape.dim[1].dim_value
        for kind in kinds:
            if OUTPUTS[kind] in outputs:
                raise InputError(f"it gives {kind} vectors already")
            if kind == "int8":
                _int8(model, dim, step)
            else:
                _binary(model, dim)


def check_small_vectors(kinds: Sequence[SmallVector], dim: int) -> None:
    """Whether vectors of dim dimensions can be had so.

    Raises:
        InputError: binary vectors are wanted of a dim that is no multiple of 8.
    """
    if "binary" in kinds and dim % BITS:
        raise InputError(f"binary vectors hold eight dimensions a byte, but dim {dim} is no multiple of 8")


def _int8(model: onnx.ModelProto, dim: int, step: float | None) -> None:
    if step is None:
        raise InputError("int8 vectors need a step; calibrate it with int8_step")
    scale = numpy_helper.from_array(np.array(step, np.float32), f"{OUTPUTS['int8']}.step")
    zero = numpy_helper.from_array(np.array(0, np.int8), f"{OUTPUTS['int8']}.zero")
    model.graph.initializer.extend([scale, zero])
    model.graph.node.append(helper.make_node("QuantizeLinear", [WHOLE, scale.name, zero.name], [OUTPUTS["int8"]]))
    model.graph.output.append(helper.make_tensor_value_info(OUTPUTS["int8"], TensorProto.INT8, ["batch", dim]))
    entry = model.metadata_props.add()
    entry.key, entry.value = STEP, repr(float(np.float32(step)))


def _binary(model: onnx.ModelProto, dim: int) -> None:
    check_small_vectors(("binary",), dim)
    name = OUTPUTS["binary"]
    stored: dict[str, NDArray[Any]] = {
        f"{name}.zero": np.array(0, np.float32),
        f"{name}.bytes": np.array([-1, dim // BITS, BITS], np.int64),
        f"{name}.places": 2.0 ** np.arange(BITS - 1, -1, -1, dtype=np.float32),
    }
    model.graph.initializer.extend(numpy_helper.from_array(value, key) for key, value in stored.items())
    zero, shape, places = stored
    model.graph.node.extend(
        [
            helper.make_node("Greater", [WHOLE, zero], [f"{name}.signs"]),
            helper.make_node("Cast", [f"{name}.signs"], [f"{name}.bits"], to=TensorProto.FLOAT),
            helper.make_node("Reshape", [f"{name}.bits", shape], [f"{name}.grouped"]),
            helper.make_node("MatMul", [f"{name}.grouped", places], [f"{name}.sums"]),
            helper.make_node("Cast", [f"{name}.sums"], [name], to=TensorProto.UINT8),
        ]
    )
    model.graph.output.append(helper.make_tensor_value_info(name, TensorProto.UINT8, ["batch", dim // BITS]))
