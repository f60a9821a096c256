"""Search among int8 and binary vectors, with and without re-scoring by the query's whole vector."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.measure.retrieval import Ranking, Vectors, retrieve

Bits = NDArray[np.uint8]


def retrieve_binary(queries: Bits, documents: Bits, k: int) -> Ranking:
    """Exact search by Hamming distance: the k nearest of each query, the nearest first, int64 [queries, k].

    Of equal distances the document that comes first wins.

    Args:
        queries: eight signs a byte, uint8 [queries, bytes].
        documents: likewise, uint8 [documents, bytes].
        k: documents a query, 1 or more.

    Raises:
        ValueError: widths differ, or k is below 1.
    """
    if queries.ndim != 2 or documents.ndim != 2 or queries.shape[1] != documents.shape[1]:
        raise ValueError(f"queries {queries.shape} and documents {documents.shape} must both be [n, bytes]")
    if k < 1:
        raise ValueError(f"k is {k}, at least 1 is needed")
    ranking = np.zeros((len(queries), min(k, len(documents))), np.int64)
    for row, query in enumerate(queries):
        distances = np.bitwise_count(documents ^ query).sum(axis=1, dtype=np.int64)
        ranking[row] = np.argsort(distances, kind="stable")[:k]
    return ranking


def rescored(ranking: Ranking, queries: Vectors, documents: Vectors, k: int) -> Ranking:
    """The k best of each query's candidates by the product of its whole vector with theirs, int64 [queries, k].

    What Yamada et al. 2021 (arXiv 2106.00882) do with the binary document itself in the place of `documents`: see
    `signs`.

    Args:
        ranking: candidates of each query, int64 [queries, candidates].
        queries: float32 [queries, dim].
        documents: float32 [documents, dim], such as int8 codes or signs.
        k: documents a query.
    """
    found = np.zeros((len(ranking), min(k, ranking.shape[1])), np.int64)
    for row, candidates in enumerate(ranking):
        order = retrieve(queries[row : row + 1], documents[candidates], k)[0]
        found[row] = candidates[order]
    return found


def signs(packed: Bits) -> Vectors:
    """The signs of binary vectors as -1 and 1, float32 [rows, dim], from uint8 [rows, dim / 8]."""
    return 2 * np.unpackbits(packed, axis=1).astype(np.float32) - 1
