"""A precision's graph, made of the float32 one as the recipe says."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from decant.models.encoder import SentenceEncoder
from export.graphs.parity import Precision
from export.graphs.static_graph import export_static
from export.quantize.block_quantize import quantize_blocks
from export.quantize.calibration import Feed
from export.quantize.dynamic_quantize import quantize_dynamic
from export.quantize.row_quantize import quantize_rows
from export.quantize.sensitivity import Sensitivity
from export.quantize.static_quantize import quantize_static
from export.quantize.static_table import stored_table
from pipeline.recipe.sections import ExportSettings


def write_precision(
    precision: Precision, whole: Path, target: Path, settings: ExportSettings, calibration: Sequence[Feed]
) -> list[Sensitivity]:
    """Write `target`.

    Args:
        whole: the float32 graph; the precision fp32 is the same file.
        calibration: batches of texts that the student learned from.

    Returns:
        What the quantization of each part of the graph costs, where the recipe asks for mixed precision.

    Raises:
        InputError: the graph cannot be quantized so.
    """
    if precision == "fp32":
        target.unlink(missing_ok=True)
        target.hardlink_to(whole)
    elif precision == "int8-row":
        return quantize_rows(whole, target, settings.int8_row, calibration)
    elif precision == "int8-static":
        return quantize_static(whole, target, settings.int8_static, calibration)
    elif precision == "int8-weights":
        quantize_blocks(whole, target, 8, settings.int8_weights, calibration)
    elif precision == "int4":
        quantize_blocks(whole, target, 4, settings.int4, calibration)
    else:
        quantize_dynamic(whole, target)
    return []


def write_static_graph(encoder: SentenceEncoder, precision: Precision, target: Path) -> None:
    """Write a static student's graph, whose table is stored in this precision."""
    table = encoder.table()
    export_static(stored_table(table.rows, precision), target, table.max_length)
