"""Tiny static students: a random table for the words of tests.tiny_models."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from decant.models.prompts import Prompts
from decant.models.table_folder import StaticTable, write_table_folder
from export.graphs.static_graph import export_static
from export.quantize.static_table import stored_table
from tests.tiny_models import tiny_tokenizer

PRECISIONS = ("fp32", "fp16", "int8", "int4")
DIM, MAX_LENGTH = 32, 24


def tiny_table(
    kind: str = "bert", dim: int = DIM, max_length: int = MAX_LENGTH, prompts: Prompts | None = None, seed: int = 0
) -> StaticTable:
    """A random table whose special tokens' rows are zeros."""
    tokenizer = tiny_tokenizer(kind)
    rows = np.random.default_rng(seed).standard_normal((len(tokenizer), dim)).astype(np.float32)
    rows[: len(tokenizer.all_special_ids)] = 0
    return StaticTable.of(rows, tokenizer, max_length, prompts)


def tiny_static(folder: Path, precision: str = "fp32", table: StaticTable | None = None) -> Path:
    """A static student's model files and graph."""
    table = table or tiny_table()
    stored = stored_table(table.rows, precision)
    write_table_folder(folder, table, stored)
    export_static(stored, folder / "onnx" / "model.onnx", table.max_length)
    return folder


def by_hand(table: StaticTable, rows: NDArray[np.float32], texts: list[str]) -> NDArray[np.float64]:
    """Unit vectors in float64 by the definition: tokens one by one, cut; zeros become the table's direction."""
    direction = rows.sum(axis=0, dtype=np.float64)
    found = []
    for text in texts:
        ids = table.tokenizer.encode(text, add_special_tokens=False).ids[: table.max_length]
        total = sum((rows[number].astype(np.float64) for number in ids), np.zeros(rows.shape[1]))
        found.append(total if total.any() else direction)
    return np.stack([one / np.linalg.norm(one) for one in found])
