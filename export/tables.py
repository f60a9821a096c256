"""Tables that vectors are gathered from, stored in integers and scaled once a row is looked up.

In 8 bits with one scale a row, in standard operators. In 4 bits with one scale a block of a row, by onnxruntime's own
GatherBlockQuantized: a whole row has too few steps in 4 bits.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from onnx import NodeProto, TensorProto

from export.block_weights import block_scales, nearest_codes, packed_codes
from export.column_weights import quantize_columns
from export.row_graph import RowGraph, is_matrix
from export.unfuse import CONTRIB

TablePrecision = Literal["int4", "int8", "fp32"]
LARGEST_ENTRY = 127
NARROWEST_TABLE = 32  # columns; a narrower one holds a bias a head, not a vector a token


def is_lookup(graph: RowGraph, node: NodeProto) -> bool:
    """Whether a node gathers rows of a stored float32 table."""
    table = graph.stored.get(node.input[0]) if node.op_type == "Gather" else None
    by_rows = all(one.i == 0 for one in node.attribute if one.name == "axis")
    return table is not None and is_matrix(table) and table.dims[1] >= NARROWEST_TABLE and by_rows


def look_up(graph: RowGraph, node: NodeProto, precision: TablePrecision, block: int = 32) -> None:
    """Append a lookup with its table as the precision says.

    Args:
        graph: under work.
        node: as `is_lookup` takes it.
        precision: int4 becomes int8 where a row has an odd number of columns: two share a byte.
        block: columns that share a scale in 4 bits, a power of 2 from 16 on.

    Raises:
        InputError: the table holds values that are not finite.
    """
    table, ids = node.input
    graph.whole(ids)
    values = graph.finite(table)
    if precision == "fp32":
        graph.keep(node)
    elif precision == "int4" and values.shape[1] % 2 == 0:
        scales = block_scales(values.T, block, 4)
        codes = packed_codes(nearest_codes(values.T, scales, block, 4), values.shape[1], 4)
        stored = graph.store(f"{table}.int4", codes[:, 0]), graph.store(f"{table}.block_scale", scales.T)
        graph.add(
            "GatherBlockQuantized", [stored[0], ids, stored[1]], node.output[0], domain=CONTRIB, bits=4,
            block_size=block, gather_axis=0, quantize_axis=1,
        )  # fmt: skip
    else:
        integers, steps = quantize_columns(values.T, LARGEST_ENTRY)
        entries = graph.add("Gather", [graph.store(f"{table}.int8", np.ascontiguousarray(integers.T)), ids])
        scale = graph.add("Gather", [graph.store(f"{table}.scale", steps[:, None]), ids])
        graph.add("Mul", [graph.add("Cast", [entries], to=TensorProto.FLOAT), scale], node.output[0])
