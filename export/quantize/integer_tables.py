"""Tables that vectors are gathered from, stored in integers and scaled once a row is looked up.

In 8 bits with one scale a row; in 4 bits, which are too few steps for a whole row, with one scale a block of it. Both
in standard operators, so that every runtime loads them: onnxruntime's own GatherBlockQuantized is no faster on a text.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto

from export.quantize.quantize_settings import TablePrecision
from export.quantize.row_graph import Floats, RowGraph, is_matrix
from export.quantize.scaled_weights import block_scales, nearest_codes, quantize_columns

LARGEST_ENTRY = 127
NARROWEST_TABLE = 32  # columns; a narrower one holds a bias a head, not a vector a token
TABLE_BLOCK = 64  # columns that share a scale in 4 bits, where nothing else is asked for
NARROWEST_BLOCK = 8  # columns; with fewer a scale, 4 bits take no less than 8 with one scale a row


def is_lookup(graph: RowGraph, node: NodeProto) -> bool:
    """Whether a node gathers rows of a stored float32 table."""
    table = graph.stored.get(node.input[0]) if node.op_type == "Gather" else None
    by_rows = all(one.i == 0 for one in node.attribute if one.name == "axis")
    return table is not None and is_matrix(table) and table.dims[1] >= NARROWEST_TABLE and by_rows


def look_up(graph: RowGraph, node: NodeProto, precision: TablePrecision, block: int = TABLE_BLOCK) -> None:
    """Append a lookup with its table as the precision says.

    Args:
        graph: under work.
        node: as `is_lookup` takes it.
        precision: int4 becomes int8 where no block of 8 columns or more divides a row.
        block: columns that share a scale in 4 bits, a power of 2; fewer where that many do not divide a row.

    Raises:
        InputError: the table holds values that are not finite.
    """
    table, ids = node.input
    graph.whole(ids)
    values = graph.finite(table)
    fitting = math.gcd(values.shape[1], block)
    if precision == "fp32":
        graph.keep(node)
    elif precision == "int4" and fitting >= NARROWEST_BLOCK:
        _halves(graph, node, values, fitting)
    else:
        integers, steps = quantize_columns(values.T, LARGEST_ENTRY)
        entries = graph.add("Gather", [graph.store(f"{table}.int8", np.ascontiguousarray(integers.T)), ids])
        scale = graph.add("Gather", [graph.store(f"{table}.scale", steps[:, None]), ids])
        graph.add("Mul", [graph.add("Cast", [entries], to=TensorProto.FLOAT), scale], node.output[0])


def _halves(graph: RowGraph, node: NodeProto, values: Floats, block: int) -> None:
    """Append a lookup of two codes a byte: 16 · high + low + 8, each in -8..7, from the two halves of a block."""
    table, ids = node.input
    packed, scales = pack_halves(values, block)
    stored = graph.store(f"{table}.int4", packed), graph.store(f"{table}.block_scale", scales)
    both, scale = (graph.add("Cast", [graph.add("Gather", [one, ids])], to=TensorProto.FLOAT) for one in stored)
    sixteen, eight = graph.store("sixteen", np.float32(16)), graph.store("eight", np.float32(8))
    high = graph.add("Floor", [graph.add("Div", [both, sixteen])])
    low = graph.add("Sub", [graph.add("Sub", [both, eight]), graph.add("Mul", [high, sixteen])])
    entries = graph.add("Mul", [graph.add("Concat", [high, low], axis=-1), scale])
    width = graph.store(f"width_{values.shape[1]}", np.array([values.shape[1]]))
    shape = graph.add("Concat", [graph.add("Shape", [ids]), width], axis=0)
    graph.add("Reshape", [entries, shape], node.output[0])


def pack_halves(values: Floats, block: int) -> tuple[NDArray[np.int8], NDArray[np.float16]]:
    """Codes of a table [rows, width] as int8 [rows, blocks, block / 2], and scales as float16 [rows, blocks, 1].

    Args:
        block: columns, an even number that divides the width.
    """
    scales = block_scales(values.T, block, 4).astype(np.float16)
    scales[scales == 0] = 1  # of a block whose values float16 does not tell from 0
    codes = nearest_codes(values.T, scales.astype(np.float32), block, 4)
    blocks = codes.T.reshape(len(values), -1, block).astype(np.int16)
    packed = 16 * blocks[..., : block // 2] + blocks[..., block // 2 :] + 8
    return packed.astype(np.int8), scales.T[..., None]
