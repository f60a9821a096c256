"""int8 with one activation scale a token row: a text's vector does not depend on what else is in the batch.

The scale of a row is computed while the graph runs, from that row alone, so no calibration is needed and padding or
neighbours change nothing (up to rounding of the float32 operations around the products). `row_products.py` says how.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from export.quantize import load_graph
from export.row_products import to_integers, weight_products
from export.session import QUIET
from export.unfuse import unfuse
from teachers.errors import InputError

Feed = Mapping[str, NDArray[np.int64]]
SEVEN_BITS, EIGHT_BITS = 64, 127


class RowQuantizeSettings(BaseModel, frozen=True, extra="forbid"):
    """What of a graph becomes int8."""

    seven_bits: bool = Field(
        default=True,
        description="Weights in 7 of their 8 bits: no product overflows on a CPU without VNNI; as fast.",
    )
    tables: bool = Field(default=True, description="The token, position and type tables too, one scale a row.")
    outliers: int = Field(
        default=0,
        ge=0,
        description="Columns of each activation that are multiplied in float32: the largest in the calibration texts.",
    )


def quantize_rows(
    source: Path, target: Path, settings: RowQuantizeSettings | None = None, calibration: Sequence[Feed] = ()
) -> None:
    """Write the int8 counterpart of a float32 graph, each token row of an activation quantized by itself.

    Args:
        source: as `export_encoder` writes it, or fused by `onnxruntime.transformers`; not changed.
        target: written whole or not at all; its folder is made.
        settings: what becomes int8.
        calibration: batches as the graph takes them; read for `outliers` alone.

    Raises:
        InputError: the source is missing, is no ONNX graph, or holds no weight that could be quantized or one that
            is not finite; outliers are wanted of no texts, or more than there are columns.
    """
    settings = settings or RowQuantizeSettings()
    model = load_graph(source)
    try:
        unfuse(model)
        if not weight_products(model.graph):
            raise InputError("no MatMul in it has a stored weight, so int8 would change nothing")
        kept = _outliers(model, settings.outliers, calibration) if settings.outliers else {}
        to_integers(model, SEVEN_BITS if settings.seven_bits else EIGHT_BITS, settings.tables, kept)
    except InputError as error:
        raise InputError(f"{source}: {error}") from error
    onnx.checker.check_model(model)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as folder:
        written = Path(folder) / target.name
        onnx.save(model, written)
        written.replace(target)


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
    watched = onnx.ModelProto()
    watched.CopyFrom(model)
    del watched.graph.output[:]
    watched.graph.output.extend(
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in widths
    )
    options = ort.SessionOptions()
    options.log_severity_level = QUIET
    session = ort.InferenceSession(watched.SerializeToString(), options, providers=["CPUExecutionProvider"])
    largest = {name: np.zeros(width, np.float32) for name, width in widths.items()}
    for feed in calibration:
        for name, values in zip(widths, session.run(list(widths), dict(feed)), strict=True):
            rows = np.abs(np.asarray(values)).reshape(-1, widths[name])
            largest[name] = np.maximum(largest[name], rows.max(axis=0))
    return largest
