"""What of the stage `graphs` trains: a cut's weights, fine-tuned for the rounding of a precision."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from decant.models.encoder import SentenceEncoder
from decant.progress import Watch
from decant.training.fit import discard_checkpoints
from decant.training.training import Training
from export.graphs.parity import Precision
from export.graphs.to_onnx import export_encoder
from export.quantize.block_quantize import Bits, tables_of
from export.quantize.integer_tables import TABLE_BLOCK
from export.quantize.quantize_settings import TablePrecision
from export.serve.encode_texts import fast_encode
from pipeline.recipe.sections import ExportSettings
from students.distill.distill_settings import QuantizeAwareSettings
from students.distill.quantize_aware import HELD_BACK, Rounding, fine_tune_rounded

TABLE_BITS: dict[TablePrecision, Literal[4, 8] | None] = {"int8": 8, "int4": 4, "fp32": None}
RECORD = "gain.json"


def tuned_graph(
    encoder: SentenceEncoder, precision: Precision, texts: Sequence[str], settings: ExportSettings,
    aware: QuantizeAwareSettings, folder: Path, seed: int, watch: Watch,
) -> tuple[Path, dict[str, float]]:  # fmt: skip
    """The float32 graph of a cut whose weights were tuned for a precision, and what the tuning did.

    Args:
        texts: that the student learned from.
        folder: of the stage; the graph is written into it.

    Raises:
        InputError: too few texts.
    """
    name = f"L{encoder.layers}xD{encoder.dim}-{precision}"
    graph, record = folder / f"{name}.onnx", folder / "training" / name / RECORD
    if record.is_file():  # of a run that was killed later
        return graph, json.loads(record.read_text(encoding="utf-8"))
    rows = np.random.default_rng(seed).permutation(len(texts))[: aware.steps * aware.batch_size + HELD_BACK]
    chosen = [texts[row] for row in rows]
    vectors = fast_encode(encoder, len(chosen), folder, "fp32")(chosen, lambda done: None)
    tuned, before, after = fine_tune_rounded(
        encoder, chosen, vectors, rounding_of(precision, settings), Training(record.parent, aware, seed, watch=watch),
        label=f"{name}, fine-tuned for its rounding",
    )  # fmt: skip
    export_encoder(tuned, graph)
    gain = {"cosine_before": before, "cosine_after": after}
    record.write_text(json.dumps(gain) + "\n", encoding="utf-8")
    discard_checkpoints(record.parent)
    return graph, gain


def rounding_of(precision: Precision, settings: ExportSettings) -> Rounding:
    """How the graph of a precision will round."""
    if precision == "int8-row":
        rows = settings.int8_row
        block = TABLE_BLOCK if rows.tables == "int4" else None
        return Rounding(8, None, TABLE_BITS[rows.tables], block, True, rows.largest)
    blocks = settings.int4 if precision == "int4" else settings.int8_weights
    bits: Bits = 4 if precision == "int4" else 8
    tables = tables_of(bits, blocks)
    block = blocks.block if tables == "int4" else None
    return Rounding(bits, blocks.block, TABLE_BITS[tables], block, blocks.accuracy_level == 4)
