"""Agreement with a teacher, without labels: pairs of held-back texts, near and far, and the nearest of each text."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.measure.bootstrap import bootstrap, percentile_interval
from pipeline.measure.weighted import weighted_mean

MOST_TEXTS, LEAST_TEXTS = 1000, 20
NEAREST = 10
NEAR_AND_FAR = 2  # pairs of each kind that are drawn for a text
Vectors = NDArray[np.float32]


def agreement_texts(given: int) -> int:
    """How many of the given texts are held back: a tenth of them, from LEAST_TEXTS to MOST_TEXTS."""
    return min(MOST_TEXTS, max(LEAST_TEXTS, given // 10))


def agreement_pairs(
    texts: Sequence[str], vectors: Vectors, seed: int
) -> tuple[list[tuple[str, str]], NDArray[np.float32]]:
    """A few thousand pairs of held-back texts, and the teacher's cosine of each, float32 [pairs].

    For each text, two of the ten that are nearest to it by the teacher are drawn, and two of all others; a pair that
    is drawn from both its sides stands there once.

    Args:
        texts: distinct, at least LEAST_TEXTS.
        vectors: the teacher's, of unit length, [texts, dim].
        seed: of the draw.
    """
    generator, rows = np.random.default_rng(seed), np.arange(len(texts))
    drawn: list[tuple[int, int]] = []
    for row, near in enumerate(nearest(vectors)):
        for some in (near, np.setdiff1d(rows, [*near, row])):
            drawn += [(row, int(other)) for other in generator.choice(some, NEAR_AND_FAR, replace=False)]
    sides = np.unique(np.sort(np.array(drawn), axis=1), axis=0)
    cosines = np.einsum("nd,nd->n", vectors[sides[:, 0]], vectors[sides[:, 1]])
    return [(texts[first], texts[second]) for first, second in sides], cosines.astype(np.float32)


def sides_of(pairs: Sequence[tuple[str, str]]) -> tuple[list[str], NDArray[np.int64]]:
    """The distinct texts of some pairs in the order of their first standing, and each pair's numbers, [pairs, 2]."""
    number: dict[str, int] = {}
    sides = [[number.setdefault(text, len(number)) for text in pair] for pair in pairs]
    return list(number), np.array(sides, np.int64)


def nearest(vectors: Vectors) -> NDArray[np.int64]:
    """The NEAREST other rows of each, the nearest first, [texts, NEAREST].

    Args:
        vectors: of unit length, [texts, dim].
    """
    cosines = vectors @ vectors.T
    np.fill_diagonal(cosines, -np.inf)
    return np.argsort(-cosines, axis=1, kind="stable")[:, :NEAREST]


def neighbour_recall(
    vectors: Vectors, expected: NDArray[np.int64], resamples: int, seed: int
) -> dict[str, float | tuple[float, float]]:
    """Share of the teacher's nearest that are a model's nearest too, and its 95 % interval over the texts.

    Args:
        vectors: the model's, of unit length, [texts, dim].
        expected: the teacher's `nearest` of the same texts.
        resamples: of the bootstrap.
        seed: of the resamples.

    Returns:
        Two fields of `SetMetrics`.
    """
    both = (nearest(vectors)[:, :, None] == expected[:, None, :]).any(2)
    shares = both.mean(1)
    samples = bootstrap(weighted_mean(shares), len(shares), resamples=resamples, seed=seed)
    return {"neighbour_recall": float(shares.mean()), "neighbour_recall_ci95": percentile_interval(samples)}
