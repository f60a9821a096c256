"""Tensors of a safetensors file as numpy arrays over the mapped file, without the package of that name."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decant.errors import InputError

DTYPES = {"F32": "<f4", "F16": "<f2", "I8": "i1", "U8": "u1"}  # those that a table is stored in
LARGEST_HEADER = 100_000_000  # bytes, as the format has it
LENGTH_BYTES = 8


def read_tensors(path: Path) -> dict[str, NDArray[Any]]:
    """Name → array, read when it is used; none of them can be written to.

    Raises:
        InputError: the file is missing, is no safetensors file, or holds a tensor of another type.
    """
    try:
        content: NDArray[np.uint8] = np.memmap(path, np.uint8, "r")
    except FileNotFoundError as error:
        raise InputError(f"{path} is missing; export the model again") from error
    except (OSError, ValueError) as error:  # a file of no bytes cannot be mapped
        raise InputError(f"{path} cannot be read ({error}); copy or export it again") from error
    length = int.from_bytes(content[:LENGTH_BYTES].tobytes(), "little")
    data = content[LENGTH_BYTES + length :] if len(content) >= LENGTH_BYTES + length else None
    if data is None or length > LARGEST_HEADER:
        raise InputError(f"{path} is no safetensors file: its header is cut off; copy or export it again")
    try:
        header = json.loads(content[LENGTH_BYTES : LENGTH_BYTES + length].tobytes())
        stated = {name: entry for name, entry in header.items() if name != "__metadata__"}
        return {str(name): _tensor(data, entry) for name, entry in stated.items()}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise InputError(f"{path} is no safetensors file that holds a table ({error}); export it again") from error


def _tensor(data: NDArray[np.uint8], entry: dict[str, Any]) -> NDArray[Any]:
    """One tensor by its entry of the header: its type, its shape, and the first and last byte of its numbers."""
    if entry["dtype"] not in DTYPES:
        raise ValueError(f"type {entry['dtype']!r} is none of {', '.join(DTYPES)}")
    dtype, shape = np.dtype(DTYPES[entry["dtype"]]), entry["shape"]
    start, end = entry["data_offsets"]
    sizes = [start, end, *shape]
    if not all(isinstance(size, int) and size >= 0 for size in sizes) or not start <= end <= len(data):
        raise ValueError(f"shape {shape} at {start}..{end} of {len(data)} bytes")
    if end - start != math.prod(shape) * dtype.itemsize:
        raise ValueError(f"{end - start} bytes for shape {shape}")
    return data[start:end].view(dtype).reshape(shape)
