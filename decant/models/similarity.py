"""How two vectors are compared, by the names of sentence-transformers: the higher, the more alike."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from decant.models.layout import Similarity

Vectors = NDArray[np.float32]


def similarities(first: Vectors, second: Vectors, kind: Similarity) -> NDArray[np.float32]:
    """Of each row with the other's, float32 [pairs].

    Cosine and dot product are as they are called; of a distance the negative is taken.

    Args:
        first: float32 [pairs, dim], of the length that the model gives them.
        second: as `first`.
    """
    if kind == "dot":
        return np.einsum("nd,nd->n", first, second).astype(np.float32)
    if kind == "cosine":
        lengths = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
        return (np.einsum("nd,nd->n", first, second) / np.maximum(lengths, 1e-12)).astype(np.float32)
    order = 2 if kind == "euclidean" else 1
    return -np.linalg.norm(first - second, ord=order, axis=1).astype(np.float32)
