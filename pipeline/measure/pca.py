"""PCA of a student's whole vectors: what a shorter vector is worth that no training made."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from decant.models.similarity import cosines, pair_vectors
from pipeline.texts.sentences import leak_key
from students.cuts.project import pca_projection, project
from teachers.cross_encoders.cross_encoder import Pair

FIT_TEXTS = 5000
Floats = NDArray[np.float32]


def fit_texts(sources: Sequence[Sequence[str]], test: Sequence[Pair], seed: int, most: int = FIT_TEXTS) -> list[str]:
    """Distinct texts to fit PCA on, drawn from the first source that has any beside those of the test.

    Args:
        sources: texts, the preferred ones first.
        test: pairs whose texts are left out, in any case and white space.
        seed: of the draw, where a source has more than `most`.
        most: texts at most.
    """
    out = {leak_key(text) for pair in test for text in pair}
    for source in sources:
        found = [text for text in dict.fromkeys(source) if leak_key(text) not in out]
        if found:
            rows = np.random.default_rng(seed).permutation(len(found))[:most]
            return [found[row] for row in sorted(rows)]
    return []


def pca_predictions(
    encode: Callable[[Sequence[str]], Floats], fitted_on: Sequence[str], splits: Sequence[Sequence[Pair]],
    dims: Sequence[int],
) -> list[dict[int, Floats]]:  # fmt: skip
    """Cosines of the pairs of each split after PCA, by dim, each float32 [pairs].

    Args:
        encode: texts → unit vectors, float32 [texts, D].
        fitted_on: texts whose vectors give the axes.
        splits: pairs.
        dims: numbers of axes to keep; those above the number of texts or D have no axes and are left out.
    """
    vectors = encode(fitted_on) if dims else None
    kept = [dim for dim in dims if dim <= min(vectors.shape)] if vectors is not None else []
    if vectors is None or not kept:
        return [{} for _ in splits]
    axes = pca_projection(vectors, max(kept))  # the strongest first, so that its first columns are a shorter one's

    def predicted(pairs: Sequence[Pair]) -> dict[int, Floats]:
        sides = pair_vectors(pairs, encode)
        return {dim: cosines(*(project(side, axes[:, :dim]) for side in sides)) for dim in kept}

    return [predicted(pairs) for pairs in splits]
