"""A static student's part of an artifact folder: its table in the artifact's precision, held to the graph's vectors."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from decant.errors import InputError
from decant.models.table_folder import StaticTable, write_table_folder
from export.graphs.parity import Precision
from export.quantize.static_table import stored_table
from export.serve.session import OnnxEncoder
from export.serve.static_session import StaticSession

TEXTS = ["", "one", "The quick brown fox jumps over the lazy dog.", "naïve café, Ω ≈ ½", "two three " * 2000]
LEAST_COSINE = 0.9999  # of the table to the graph: they are of the same numbers


def write_table(folder: Path, table: StaticTable, precision: Precision) -> None:
    """Write the model files of a static student whose rows are stored in this precision.

    Raises:
        InputError: a static student cannot have it, or its table cannot.
    """
    write_table_folder(folder, table, stored_table(table.rows, precision))


def check_graph_of_table(folder: Path, graph: Path) -> None:
    """Refuse a graph that gives other vectors than the table beside it.

    Args:
        folder: holds both.
        graph: where the graph came from, for the error.

    Raises:
        InputError: it does.
    """
    cosines = np.vecdot(OnnxEncoder(folder).encode(TEXTS), StaticSession(folder).encode(TEXTS))
    if not cosines.min() >= LEAST_COSINE:
        raise InputError(f"{graph} gives other vectors than the table (cosine {cosines.min():.4f}); export it again")
