"""A cross-encoder's scores through onnxruntime: what labelling many pairs takes, half again as fast as torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from export.session import Progress, open_session
from teachers.batches import sorted_batches
from teachers.cross_encoder import CrossEncoder, Pair

BATCH_TOKENS = 2048  # a matrix product of so many rows runs at full speed, and its inputs still fit the caches


class OnnxCrossEncoder:
    """Pairs → raw logits, as `CrossEncoder.score` gives them.

    Args:
        cross: tokenizes the pairs.
        graph: its own graph, by `export_cross_encoder`.
        threads: threads of one run; all that this process may use, unless given.
    """

    def __init__(self, cross: CrossEncoder, graph: Path, threads: int | None = None) -> None:
        self._cross = cross
        self._session = open_session(graph, threads)

    def score(self, pairs: Sequence[Pair], progress: Progress | None = None) -> NDArray[np.float32]:
        """Raw logits, float32 [pairs] for one output or [pairs, outputs], in the order of the pairs."""
        scores = np.zeros((len(pairs), self._cross.outputs), np.float32)
        ids, types = self._cross.tokenize(pairs)
        lengths = [len(row) for row in ids]
        for rows in _batches(lengths):
            feed = self._cross.collate(
                [ids[row] for row in rows], None if types is None else [types[row] for row in rows]
            )
            scores[rows] = self._session.run(["logits"], {name: tensor.numpy() for name, tensor in feed.items()})[0]
            if progress is not None:
                progress(len(rows))
        return scores[:, 0] if self._cross.outputs == 1 else scores


def _batches(lengths: Sequence[int]) -> list[NDArray[np.int64]]:
    """Row numbers, longest first, as many a batch as keep it near `BATCH_TOKENS`."""
    order = next(iter(sorted_batches(lengths, max(1, len(lengths)))), np.zeros(0, np.int64))
    batches, start = [], 0
    while start < len(order):
        size = max(1, BATCH_TOKENS // lengths[int(order[start])])
        batches.append(order[start : start + size])
        start += size
    return batches
