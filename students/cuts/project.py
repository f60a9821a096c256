"""Fewer dimensions without training: the output on its principal axes, the cheap baseline for a cut's dims.

The axes stay outside the encoder. Its states end in a LayerNorm, γ ⊙ x̂ + β, and a matrix after it is no LayerNorm any
more; it commutes with mean pooling, but it would be one more Linear in every runtime.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from decant.errors import InputError

BLOCK_ROWS = 8192


def pca_projection(vectors: NDArray[np.float32], dim: int) -> NDArray[np.float32]:
    """The `dim` principal axes of vectors, orthonormal columns float32 [D, dim], the strongest first.

    Not centred: of all rank-`dim` matrices, V·P·Pᵀ·Vᵀ is the nearest to V·Vᵀ, the dot products that are compared
    (Eckart and Young 1936). Centring keeps differences instead and moves the origin that cosines are taken from.

    Args:
        vectors: float [texts, D], the unit vectors of a sample of texts.
        dim: 1..min(D, texts).

    Raises:
        InputError: a dim outside that range, or vectors that are no finite matrix.
    """
    _check_vectors(vectors)
    most = min(vectors.shape)
    if not 1 <= dim <= most:
        raise InputError(f"dim {dim} is outside 1..{most}, what {len(vectors)} vectors of {vectors.shape[1]} can give")
    moment = np.zeros((vectors.shape[1], vectors.shape[1]))
    for start in range(0, len(vectors), BLOCK_ROWS):
        block = vectors[start : start + BLOCK_ROWS].astype(np.float64)
        moment += block.T @ block
    axes = np.linalg.eigh(moment)[1][:, ::-1][:, :dim]  # eigh sorts the weakest first
    largest = axes[np.abs(axes).argmax(axis=0), np.arange(dim)]
    return (axes * np.sign(largest)).astype(np.float32)  # an axis has no sign of its own


def project(vectors: NDArray[np.float32], projection: NDArray[np.float32]) -> NDArray[np.float32]:
    """Unit vectors [texts, dim] on the axes; a vector with no part along any of them stays zero.

    Args:
        vectors: float [texts, D].
        projection: float [D, dim], from `pca_projection`.

    Raises:
        InputError: vectors of another width, or that are no finite matrix.
    """
    _check_vectors(vectors)
    if vectors.shape[1] != len(projection):
        raise InputError(f"vectors are {vectors.shape[1]} wide, but the projection takes {len(projection)}")
    projected = vectors @ projection
    norms = np.linalg.norm(projected, axis=1, keepdims=True)
    return (projected / np.maximum(norms, 1e-12)).astype(np.float32)


def _check_vectors(vectors: NDArray[np.float32]) -> None:
    if vectors.ndim != 2:
        raise InputError(f"vectors have the shape {vectors.shape}; [texts, D] is needed")
    if not np.isfinite(vectors).all():
        row = int(np.flatnonzero(~np.isfinite(vectors).all(axis=1))[0])
        raise InputError(f"vectors hold NaN or infinity, first in row {row}; encode these texts again")
