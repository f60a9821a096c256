"""Pairs of texts as vectors, and how two of these are compared, by the names of sentence-transformers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from decant.models.layout import Similarity
from decant.models.prompts import Pair

Vectors = NDArray[np.float32]


def similarities(first: Vectors, second: Vectors, kind: Similarity) -> NDArray[np.float32]:
    """Of each row with the other's, float32 [pairs]: the higher, the more alike.

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


def pair_vectors(
    pairs: Sequence[Pair], encode: Callable[[Sequence[str]], Vectors],
    encode_second: Callable[[Sequence[str]], Vectors] | None = None,
) -> tuple[Vectors, Vectors]:  # fmt: skip
    """Vectors of both sides, each [pairs, dim]; a text that stands in several pairs is encoded once.

    Args:
        encode_second: of the second sides, where they are read in another way than the first.
    """
    if encode_second is not None:
        first, second = zip(*pairs, strict=True) if pairs else ((), ())
        found = []
        for side, way in ((first, encode), (second, encode_second)):
            number = {text: index for index, text in enumerate(dict.fromkeys(side))}
            found.append(way(list(number))[[number[text] for text in side]])
        return found[0], found[1]
    texts = list(dict.fromkeys(text for pair in pairs for text in pair))
    row = {text: index for index, text in enumerate(texts)}
    vectors = encode(texts)
    return vectors[[row[first] for first, _ in pairs]], vectors[[row[second] for _, second in pairs]]


def cosines(first: Vectors, second: Vectors) -> NDArray[np.float32]:
    """Row-wise dot products of unit vectors, float32 [pairs]."""
    return np.einsum("nd,nd->n", first, second).astype(np.float32)
