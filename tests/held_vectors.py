"""A teacher's vectors in memory, for tests of what reads them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class Held:
    """`teachers.labels.vector_store.Vectors` of one array, float32 [texts, dim]."""

    def __init__(self, vectors: NDArray[np.float32]) -> None:
        self.vectors = vectors

    @property
    def dim(self) -> int:
        return self.vectors.shape[1]

    def __len__(self) -> int:
        return len(self.vectors)

    def take(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        return self.vectors[rows]
