"""int8 with one activation scale a token row: a text's vector does not depend on what else is in the batch.

The scale of a row is computed while the graph runs, from that row alone, so no calibration is needed and padding or
neighbours change nothing (up to rounding of the float32 operations around the products). `row_products.py` says how.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from decant.errors import InputError
from export.graphs.graph_file import rewritten
from export.quantize.calibration import Feed, rows_of_batches
from export.quantize.quantize_settings import RowQuantizeSettings
from export.quantize.row_products import to_integers, weight_products
from export.quantize.sensitivity import Sensitivity, products_left, rank_and_keep


def quantize_rows(
    source: Path, target: Path, settings: RowQuantizeSettings | None = None, calibration: Sequence[Feed] = ()
) -> list[Sensitivity]:
    """Write the int8 counterpart of a float32 graph, each token row of an activation quantized by itself.

    Args:
        source: as `export_encoder` writes it; not changed.
        target: written whole or not at all; its folder is made.
        settings: what becomes int8.
        calibration: batches as the graph takes them; read for `outliers` and `min_cosine` alone.

    Returns:
        What each group of products costs, the costliest first; nothing unless `min_cosine` asks for it.

    Raises:
        InputError: the source is missing, is no ONNX graph, or holds no weight that could be quantized or one that
            is not finite; outliers or a cosine are wanted of no texts, or more than there are.
    """
    settings = settings or RowQuantizeSettings()
    with rewritten(source, target) as model:
        if not weight_products(model.graph):
            raise InputError("no MatMul in it has a stored weight, so int8 would change nothing")
        kept = _outliers(model, settings.outliers, calibration) if settings.outliers else {}
        products_alone = partial(to_integers, largest=settings.largest, tables="fp32", kept=kept)
        whole = partial(products_alone, tables=settings.tables)
        ranked = rank_and_keep(model, products_alone, whole, calibration, settings.min_cosine)
        whole(model, only=products_left(model.graph, ranked))
    return ranked


def _outliers(model: onnx.ModelProto, count: int, calibration: Sequence[Feed]) -> dict[str, NDArray[np.int64]]:
    """Activation → its `count` columns of the largest absolute value in the texts, int64 ascending."""
    if not calibration:
        raise InputError(f"outliers {count}: texts are needed to find them; give calibration, or outliers 0")
    stored = {weight.name: weight.dims for weight in model.graph.initializer}
    widths = {node.input[0]: int(stored[node.input[1]][0]) for node in weight_products(model.graph)}
    narrowest = min(widths, key=lambda name: widths[name])
    if count >= widths[narrowest]:
        raise InputError(f"outliers {count}: {narrowest!r} has {widths[narrowest]} columns; ask for fewer")
    largest = _largest_of_columns(model, widths, calibration)
    return {name: np.sort(np.argsort(-sizes, kind="stable")[:count]) for name, sizes in largest.items()}


def _largest_of_columns(
    model: onnx.ModelProto, widths: Mapping[str, int], calibration: Sequence[Feed]
) -> dict[str, NDArray[np.float32]]:
    largest = {name: np.zeros(width, np.float32) for name, width in widths.items()}
    for found in rows_of_batches(model, list(widths), calibration):
        for name, rows in found.items():
            largest[name] = np.maximum(largest[name], np.abs(rows).max(axis=0))
    return largest
