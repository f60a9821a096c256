"""4-bit and 8-bit weights with one scale a block: the smallest artifacts, multiplied by onnxruntime's MatMulNBits.

Its accuracy level 4 quantizes each token row's activations too, by block: by its definition no row depends on another.
Its kernels for AVX-512 (onnxruntime 1.31.1) keep that to the last bit for blocks of 16 and 32. For blocks from 64 on
in 4 bits, from 128 on in 8, they sum the last row of an odd number in another order, and a text's vector turns with
its batch by a cosine of 0.9997. So no invariance is promised here: parity.py measures it on the machine that exports.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import onnx
from numpy.typing import NDArray

from decant.errors import InputError
from export.graphs.graph_file import rewritten
from export.quantize.calibration import Feed, rows_of_batches
from export.quantize.integer_tables import is_lookup, look_up
from export.quantize.quantize_settings import BlockQuantizeSettings, TablePrecision
from export.quantize.row_graph import CONTRIB, RowGraph
from export.quantize.row_products import weight_products
from export.quantize.scaled_weights import block_scales, gptq_codes, nearest_codes, packed_codes

Bits = Literal[4, 8]
Grams = dict[str, NDArray[np.float32]]


def quantize_blocks(
    source: Path, target: Path, bits: Bits, settings: BlockQuantizeSettings | None = None,
    calibration: Sequence[Feed] = (),
) -> None:  # fmt: skip
    """Write the counterpart of a float32 graph with block-quantized weights.

    Args:
        source: as `export_encoder` writes it; not changed.
        target: written whole or not at all; its folder is made.
        bits: of a weight.
        settings: how they are rounded and multiplied.
        calibration: batches as the graph takes them; read for the rounding gptq alone.

    Raises:
        InputError: the source is missing, is no ONNX graph, or holds no weight that could be quantized or one that
            is not finite; or gptq is wanted of no texts.
    """
    settings = settings or BlockQuantizeSettings()
    with rewritten(source, target) as model:
        products = weight_products(model.graph)
        if not products:
            raise InputError(f"no MatMul in it has a stored weight, so int{bits} would change nothing")
        if settings.rounding == "gptq" and not calibration:
            raise InputError("rounding gptq: texts are needed for it; give calibration, or rounding nearest")
        grams = _grams(model, calibration) if settings.rounding == "gptq" else {}
        graph = RowGraph(model)
        quantized = {node.output[0] for node in products}
        tables = tables_of(bits, settings)
        for node in model.graph.node:
            if node.output[0] in quantized:
                _product(graph, node, bits, settings, grams)
            elif is_lookup(graph, node):
                look_up(graph, node, tables, settings.block)
            else:
                graph.keep(node)
        graph.finish()


def tables_of(bits: Bits, settings: BlockQuantizeSettings) -> TablePrecision:
    """What the tables become beside weights of so many bits."""
    return settings.tables or ("int4" if bits == 4 else "int8")


def _grams(model: onnx.ModelProto, calibration: Sequence[Feed]) -> Grams:
    """Activation → the sum of xᵀx over its token rows x, float32 [width, width]."""
    names = list(dict.fromkeys(node.input[0] for node in weight_products(model.graph)))
    grams: Grams = {}
    for found in rows_of_batches(model, names, calibration):
        for name, rows in found.items():
            grams[name] = grams.get(name, np.float32(0)) + rows.T @ rows
    return grams


def _product(graph: RowGraph, node: onnx.NodeProto, bits: Bits, settings: BlockQuantizeSettings, grams: Grams) -> None:
    activation, weight = node.input
    codes_name, scales_name = f"{weight}.int{bits}", f"{weight}.scale"
    rows, columns = graph.stored[weight].dims
    if codes_name not in graph.stored:  # another product may have had the same weight
        values, block = graph.finite(weight), settings.block
        if settings.rounding == "gptq":
            codes, scales = gptq_codes(values, grams[activation], block, bits, settings.damping)
        else:
            scales = block_scales(values, block, bits)
            codes = nearest_codes(values, scales, block, bits)
        graph.store(codes_name, packed_codes(codes, block, bits))
        graph.store(scales_name, np.ascontiguousarray(scales.T))
    graph.add(
        "MatMulNBits", [activation, codes_name, scales_name], node.output[0], domain=CONTRIB, K=rows, N=columns,
        bits=bits, block_size=settings.block, accuracy_level=settings.accuracy_level,
    )  # fmt: skip
