"""Batches in which texts stand beside texts that their teacher finds alike, for losses on in-batch similarities.

Two texts drawn at random hardly ever have to do with each other, and their similarity teaches little. Here a batch is
made of small groups of neighbours, so that near pairs and far pairs both stand in it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from decant.batches import BUCKET_BATCHES
from teachers.labels.vector_store import Vectors

SKETCH_DIM = 64
STRATUM = 8_000  # texts of like length that are searched together
LENGTH_NOISE = 0.05  # of the logarithm of a length, so that strata have other borders in every epoch
CHUNK = 16_384


def sketch(vectors: Vectors, seed: int) -> NDArray[np.float16]:
    """A random projection of the vectors, float16 [texts, 64]: enough to find neighbours by, and small in memory.

    Johnson & Lindenstrauss 1984: dot products are kept up to an error of about 1/√64.
    """
    generator = np.random.default_rng(seed)
    matrix = generator.standard_normal((vectors.dim, SKETCH_DIM), np.float32) / np.float32(SKETCH_DIM**0.5)
    found = np.empty((len(vectors), SKETCH_DIM), np.float16)
    for start in range(0, len(vectors), CHUNK):
        rows = np.arange(start, min(start + CHUNK, len(vectors)))
        found[rows] = vectors.take(rows) @ matrix
    return found


def neighbour_batches(
    lengths: Sequence[int] | NDArray[np.int64],
    sketches: NDArray[np.float16],
    group: int,
    batch_size: int,
    generator: np.random.Generator,
) -> list[NDArray[np.int64]]:
    """Batches of whole groups of neighbours of like length, in random order; each row stands in one batch.

    Args:
        lengths: tokens of each text.
        sketches: [texts, dims], of `sketch`.
        group: neighbours that stand together, 2..batch_size.
        batch_size: texts a batch; rounded down to whole groups.
    """
    sizes = np.asarray(lengths, np.int64)
    rough = np.log(np.maximum(sizes, 1)) + LENGTH_NOISE * generator.standard_normal(len(sizes))
    order = np.argsort(rough, kind="stable")
    a_batch = max(1, batch_size // group)
    batches: list[NDArray[np.int64]] = []
    for rows in np.array_split(order, max(1, round(len(order) / STRATUM))):
        groups = _leaves(rows, sketches[rows].astype(np.float32), group, generator)
        shuffled = [groups[place] for place in generator.permutation(len(groups))]
        for start in range(0, len(shuffled), a_batch * BUCKET_BATCHES):
            bucket = shuffled[start : start + a_batch * BUCKET_BATCHES]
            bucket.sort(key=lambda members: int(sizes[members].max()))
            batches += [np.concatenate(bucket[i : i + a_batch]) for i in range(0, len(bucket), a_batch)]
    return [batches[place] for place in generator.permutation(len(batches))]


def _leaves(
    rows: NDArray[np.int64], points: NDArray[np.float32], group: int, generator: np.random.Generator
) -> list[NDArray[np.int64]]:
    """Rows in groups of neighbours, all but one of them full.

    A balanced tree: a node is split by the direction between two of its points (as in Spotify's Annoy), where the
    halves are equal.
    """
    if len(rows) <= group:
        return [rows]
    first, second = generator.choice(len(rows), 2, replace=False)
    along = points @ (points[first] - points[second])
    half = group * max(1, round(len(rows) / 2 / group))
    half = min(half, group * ((len(rows) - 1) // group))
    split = np.argpartition(along, half - 1)
    left, right = split[:half], split[half:]
    return _leaves(rows[left], points[left], group, generator) + _leaves(rows[right], points[right], group, generator)
