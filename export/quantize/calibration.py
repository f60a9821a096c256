"""What a graph's activations are like on real texts, and the vectors that it gives."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import onnx
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from decant.batches import padded, sorted_batches
from export.serve.session import run_in_memory

Feed = Mapping[str, NDArray[np.int64]]
Floats = NDArray[np.float32]
BATCH_ROWS = 32


class CalibrationSettings(BaseModel, frozen=True, extra="forbid"):
    """The texts that quantization is fitted to."""

    texts: int = Field(
        default=256, ge=1, le=100_000, description="So many, spread evenly over those that the student learned from."
    )


def calibration_batches(ids: Sequence[Sequence[int]], pad_id: int) -> list[Feed]:
    """Batches of texts of like length, as an exported encoder takes them.

    Args:
        ids: token ids of each text, specials included.
        pad_id: of the token that fills a row.
    """
    batches: list[Feed] = []
    for rows in sorted_batches([len(row) for row in ids], BATCH_ROWS):
        input_ids, mask = padded([list(ids[row]) for row in rows], pad_id)
        batches.append({"input_ids": input_ids.numpy(), "attention_mask": mask.numpy()})
    return batches


def rows_of_batches(
    model: onnx.ModelProto, activations: Sequence[str], batches: Sequence[Feed]
) -> Iterator[dict[str, Floats]]:
    """For each batch: activation → its rows that belong to tokens, float32 [tokens, width]; padding is left out.

    Args:
        model: not changed.
        activations: names of float32 tensors [..., width] that its nodes compute.
        batches: as the graph takes them.
    """
    watched = onnx.ModelProto()
    watched.CopyFrom(model)
    del watched.graph.output[:]
    watched.graph.output.extend(
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in activations
    )
    session = run_in_memory(watched.SerializeToString())
    for batch in batches:
        mask = batch["attention_mask"]
        found = session.run(list(activations), dict(batch))
        yield {name: _token_rows(values, mask) for name, values in zip(activations, found, strict=True)}


def sentence_vectors(model: onnx.ModelProto, batches: Sequence[Feed]) -> Floats:
    """The graph's unit vectors of all texts, float32 [texts, dim], in the order of the batches."""
    session = run_in_memory(model.SerializeToString())
    return np.concatenate([session.run(["sentence_embedding"], dict(batch))[0] for batch in batches])


def _token_rows(values: Floats, mask: NDArray[np.int64]) -> Floats:
    return values[mask == 1] if values.shape[:-1] == mask.shape else values.reshape(-1, values.shape[-1])
