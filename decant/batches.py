"""Batches of like length, so that little work is done on padding."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

BUCKET_BATCHES = 50


def sorted_batches(lengths: Sequence[int], batch_size: int) -> Iterator[NDArray[np.int64]]:
    """Row numbers in batches, longest first (so that memory runs out at once, if it does)."""
    order = np.argsort(-np.asarray(lengths, np.int64), kind="stable")
    for start in range(0, len(order), batch_size):
        yield order[start : start + batch_size]


def bucketed_batches(
    lengths: Sequence[int] | NDArray[np.int64], batch_size: int, generator: np.random.Generator
) -> list[NDArray[np.int64]]:
    """Random batches of like length for training: shuffle, sort inside buckets of 50 batches, shuffle the batches."""
    sizes = np.asarray(lengths, np.int64)
    order = generator.permutation(len(sizes))
    batches: list[NDArray[np.int64]] = []
    for start in range(0, len(order), batch_size * BUCKET_BATCHES):
        bucket = order[start : start + batch_size * BUCKET_BATCHES]
        bucket = bucket[np.argsort(sizes[bucket], kind="stable")]
        batches += [bucket[i : i + batch_size] for i in range(0, len(bucket), batch_size)]
    return [batches[i] for i in generator.permutation(len(batches))]


def padded(rows: Sequence[Sequence[int] | NDArray[np.integer]], pad_id: int) -> tuple[Tensor, Tensor]:
    """Token ids and attention mask, int64 [rows, longest]."""
    longest = max(len(row) for row in rows)
    ids, mask = np.full((len(rows), longest), pad_id, np.int64), np.zeros((len(rows), longest), np.int64)
    for index, row in enumerate(rows):
        ids[index, : len(row)] = row
        mask[index, : len(row)] = 1
    return torch.from_numpy(ids), torch.from_numpy(mask)


def padding_share(lengths: Sequence[int], batches: Sequence[NDArray[np.int64]]) -> float:
    """Share of the padded tokens, 0..1, over these batches."""
    sizes = np.asarray(lengths, np.int64)
    total = sum(len(batch) * int(sizes[batch].max()) for batch in batches)
    return 1 - float(sizes.sum()) / total if total else 0.0
