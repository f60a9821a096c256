"""Dynamic int8: weights in int8, activations quantized while the graph runs, one scale a tensor.

That one scale is taken over the whole batch, so a text's vector depends a little on its neighbours: parity.py
measures how much.
"""

from __future__ import annotations

from pathlib import Path

import onnx
from onnxruntime import quantization
from pydantic import BaseModel, Field

from decant.errors import InputError
from decant.files import written_whole
from export.graphs.graph_file import load_graph
from export.serve.without_log import without_log


class QuantizeSettings(BaseModel, frozen=True, extra="forbid"):
    """What of a graph becomes int8."""

    seven_bits: bool = Field(
        default=True,
        description="Weights in 7 of their 8 bits: no product overflows on a CPU without VNNI; as fast.",
    )
    tables: bool = Field(default=True, description="The token, position and type tables too: half of a small encoder.")


def quantize_dynamic(source: Path, target: Path, settings: QuantizeSettings | None = None) -> None:
    """Write the int8 counterpart of a float32 graph; one scale a column for weights, one a table.

    Args:
        source: as `export_encoder` writes it; not changed.
        target: written whole or not at all; its folder is made.
        settings: what becomes int8.

    Raises:
        InputError: the source is missing, is no ONNX graph, or holds no weight that could be quantized.
    """
    settings = settings or QuantizeSettings()
    model = load_graph(source)
    with written_whole(target) as written:
        _quantize(model, written, settings)
        quantized = onnx.load(written)
        if not any(node.op_type == "MatMulInteger" for node in quantized.graph.node):
            raise InputError(f"{source}: no MatMul in it has a stored weight, so int8 would change nothing")


def _quantize(model: onnx.ModelProto, target: Path, settings: QuantizeSettings) -> None:
    """Run onnxruntime's quantizer without its log, which asks for a pre-processing that is not needed."""
    with without_log():
        # Given as a model, not as a path: for a path it writes a scratch file beside the source.
        quantization.quantize_dynamic(
            model,
            target,
            op_types_to_quantize=["MatMul", "Gather"] if settings.tables else ["MatMul"],
            per_channel=True,
            reduce_range=settings.seven_bits,
            weight_type=quantization.QuantType.QInt8,
        )
