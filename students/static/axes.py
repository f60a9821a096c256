"""The teacher's space turned so that its first numbers tell most: shorter vectors lose little, whole ones nothing."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from teachers.labels.vector_store import Vectors

Floats = NDArray[np.float32]
SAMPLE = 20_000  # texts that the axes are found on


def principal_axes(vectors: Vectors, seed: int) -> Floats:
    """Orthogonal axes, float32 [dim, dim], those along which the texts' vectors are longest first.

    The eigenvectors of VᵀV of up to 20,000 of the vectors V, which are not centred: cosines stay what they are.
    """
    rows = np.random.default_rng(seed).permutation(len(vectors))[:SAMPLE]
    sample = vectors.take(np.sort(rows)).astype(np.float64)
    axes = np.linalg.eigh(sample.T @ sample)[1][:, ::-1]
    return np.ascontiguousarray(axes, np.float32)


class TurnedVectors:
    """`Vectors` along other axes, all of them: every cosine stays.

    Args:
        vectors: of width dim.
        axes: orthogonal, float32 [dim, dim].
    """

    def __init__(self, vectors: Vectors, axes: Floats) -> None:
        self._vectors, self._axes = vectors, axes

    @property
    def dim(self) -> int:
        return self._vectors.dim

    def __len__(self) -> int:
        return len(self._vectors)

    def take(self, rows: NDArray[np.int64]) -> Floats:
        return self._vectors.take(rows) @ self._axes
