"""The table of a static student as it is stored: its rows in float32, float16, int8 or 4 bits, and back.

    fp32, fp16   embeddings [rows, dim]
    int8         embeddings int8 [rows, dim], weights float32 [rows]: a row is embeddings · weight
    int4         packed uint8 [rows, dim / 2], scales float16 [rows, dim / block]: codes of -8..7, raised by 8; a byte's
                 low half is of the row's first half of columns, its high half of the second

Rows of zeros stay zeros in all of them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decant.errors import InputError
from export.quantize.scaled_weights import block_scales, nearest_codes, quantize_columns

Floats = NDArray[np.float32]
Tensors = Mapping[str, NDArray[Any]]
LARGEST_CODE = 127
BLOCK, NARROWEST_BLOCK = 64, 8  # columns that share a scale in 4 bits: as many of 64, 32, 16 or 8 as divide a row
HALF = 8  # what raises a code of 4 bits to 0..15
READ_ROWS = 8192
LARGEST_FLOAT16 = float(np.finfo(np.float16).max)
PARTS: dict[frozenset[str], dict[str, tuple[str, ...]]] = {
    frozenset({"embeddings"}): {"embeddings": ("float32", "float16")},
    frozenset({"embeddings", "weights"}): {"embeddings": ("int8",), "weights": ("float32",)},
    frozenset({"packed", "scales"}): {"packed": ("uint8",), "scales": ("float16",)},
}


def stored_table(rows: Floats, precision: str) -> dict[str, NDArray[Any]]:
    """What is stored of a table, by the tensors' names.

    Args:
        rows: float32 [rows, dim].
        precision: fp32, fp16, int8 or int4.

    Raises:
        InputError: the table cannot be had in this precision, or holds a number that is not finite.
    """
    if rows.ndim != 2 or not np.isfinite(rows).all():
        raise InputError("the table holds a number that is not finite; train it again at a lower learning_rate")
    if precision == "fp32":
        return {"embeddings": np.ascontiguousarray(rows, np.float32)}
    if precision == "fp16":
        if np.abs(rows).max(initial=0) > LARGEST_FLOAT16:
            raise InputError(f"fp16 holds numbers up to {LARGEST_FLOAT16:.0f}, the table larger ones; take int8")
        return {"embeddings": rows.astype(np.float16)}
    if precision == "int8":
        codes, scales = quantize_columns(rows.T, LARGEST_CODE)
        return {"embeddings": np.ascontiguousarray(codes.T), "weights": scales}
    if precision == "int4":
        return _halves(rows)
    raise InputError(f"a static student has no precision {precision}; fp32, fp16, int8 and int4 are what it can have")


def _halves(rows: Floats) -> dict[str, NDArray[Any]]:
    block = math.gcd(rows.shape[1], BLOCK)
    if block < NARROWEST_BLOCK:
        raise InputError(f"int4 needs a dim that {NARROWEST_BLOCK} divides, not {rows.shape[1]}; take int8")
    with np.errstate(over="ignore"):  # which is refused below
        scales = block_scales(rows.T, block, 4).astype(np.float16)
    scales[scales == 0] = 1  # of a block whose values float16 does not tell from 0
    if not np.isfinite(scales).all():
        raise InputError("int4's scales are float16, and the table's numbers too large for them; take int8")
    codes = (nearest_codes(rows.T, scales.astype(np.float32), block, 4).T + HALF).astype(np.uint8)
    low, high = np.split(codes, 2, axis=1)
    return {"packed": np.ascontiguousarray(low | high << 4), "scales": np.ascontiguousarray(scales.T)}


def table_shape(tensors: Tensors) -> tuple[int, int]:
    """Rows and dim of a stored table.

    Raises:
        InputError: the tensors are not of one table.
    """
    types = PARTS.get(frozenset(tensors))
    if types is None:
        raise InputError(f"it holds {', '.join(sorted(tensors)) or 'nothing'}, which is no table of a static student")
    for name, allowed in types.items():
        if str(tensors[name].dtype) not in allowed:
            raise InputError(f"its {name} is {tensors[name].dtype}, not {' or '.join(allowed)}")
    first = tensors["packed" if "packed" in tensors else "embeddings"]
    if first.ndim != 2 or not first.size:
        raise InputError(f"its table is of shape {list(first.shape)}, not [rows, dim]")
    rows, dim = first.shape[0], first.shape[1] * (2 if "packed" in tensors else 1)
    if "weights" in tensors and tensors["weights"].shape != (rows,):
        raise InputError(f"its weights are {list(tensors['weights'].shape)}, not one for each of {rows} rows")
    if "scales" in tensors:
        shape = tensors["scales"].shape
        if len(shape) != 2 or shape[0] != rows or not shape[1] or dim % shape[1]:
            raise InputError(f"its scales are {list(shape)}, which do not fit {rows} rows of {dim} numbers")
    return rows, dim


def take_rows(tensors: Tensors, ids: NDArray[np.integer[Any]] | slice) -> Floats:
    """The rows of these numbers, float32 [ids, dim], of a table whose shape `table_shape` has checked."""
    if "packed" in tensors:
        packed, scales = tensors["packed"][ids], tensors["scales"][ids].astype(np.float32)
        codes = np.concatenate([packed & 15, packed >> 4], axis=1).astype(np.float32) - np.float32(HALF)
        return (codes.reshape(*scales.shape, -1) * scales[..., None]).reshape(len(codes), -1)
    found: Floats = tensors["embeddings"][ids].astype(np.float32)
    return found * tensors["weights"][ids][:, None] if "weights" in tensors else found


def own_direction(tensors: Tensors) -> Floats:
    """What a text gets whose rows sum to zero: the sum of all rows at unit length, float32 [dim].

    Raises:
        InputError: the rows sum to zero, or to a number that is not finite.
    """
    rows, dim = table_shape(tensors)
    total = np.zeros(dim)
    for start in range(0, rows, READ_ROWS):
        total += take_rows(tensors, slice(start, start + READ_ROWS)).sum(axis=0, dtype=np.float64)
    length = float(np.linalg.norm(total))
    if not np.isfinite(length) or length <= 0:
        raise InputError("all rows of its table sum to no direction; train the student again")
    return (total / length).astype(np.float32)
