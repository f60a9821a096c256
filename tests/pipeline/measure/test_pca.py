from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.decomposition import TruncatedSVD

from pipeline.measure.pca import fit_texts, pca_predictions
from tests.tiny_models import tiny_encoder
from tests.tiny_runs import pairs

TEST = [(first, second) for first, second, _ in pairs("regression", 20, 2)]
DEV = [(first, second) for first, second, _ in pairs("regression", 10, 1)]
TRAIN = [text for row in pairs("regression", 50, 0) for text in row[:2]]


def test_cosines_are_those_of_scikit_learns_axes() -> None:
    encode = tiny_encoder().encode
    found = pca_predictions(encode, TRAIN, [TEST, DEV], (16, 4))
    assert [list(one) for one in found] == [[16, 4], [16, 4]]
    for dim in (16, 4):
        svd = TruncatedSVD(dim, algorithm="arpack").fit(encode(TRAIN).astype(np.float64))
        for one, split in zip(found, (TEST, DEV), strict=True):
            first, second = (svd.transform(encode([pair[side] for pair in split])) for side in (0, 1))
            lengths = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
            np.testing.assert_allclose(one[dim], (first * second).sum(axis=1) / lengths, atol=1e-4)
            assert one[dim].dtype == np.float32


def test_every_axis_gives_the_full_vectors_cosines() -> None:
    encode = tiny_encoder().encode
    (found,) = pca_predictions(encode, TRAIN, [TEST], (32,))
    first, second = (encode([pair[side] for pair in TEST]) for side in (0, 1))
    np.testing.assert_allclose(found[32], (first * second).sum(axis=1), atol=1e-5)


def test_more_dims_than_texts_are_left_out() -> None:
    encode = tiny_encoder().encode
    assert [list(one) for one in pca_predictions(encode, TRAIN[:8], [TEST, DEV], (16, 8, 4))] == [[8, 4], [8, 4]]
    assert pca_predictions(encode, [], [TEST, DEV], (16, 8)) == [{}, {}]


def test_without_dims_nothing_is_encoded() -> None:
    def encode(texts: Sequence[str]) -> NDArray[np.float32]:
        pytest.fail(f"{len(texts)} texts encoded for nothing")

    assert pca_predictions(encode, TRAIN, [TEST], ()) == [{}]


def test_the_first_source_that_has_texts_beside_the_tests_is_taken() -> None:
    test = [("A  dog", "a cat")]
    assert fit_texts([["a house", "a Dog", "a house", "a river"], ["a car"]], test, 0) == ["a house", "a river"]
    assert fit_texts([["a dog", "A CAT"], ["a cat", "a car"]], test, 0) == ["a car"]
    assert fit_texts([[], []], test, 0) == []


def test_a_large_source_is_drawn_from_by_seed() -> None:
    source = [f"text {number}" for number in range(6000)]
    drawn = fit_texts([source], [("text 7", "text 8")], 3)
    assert len(drawn) == len(set(drawn)) == 5000
    assert drawn == fit_texts([source], [("text 7", "text 8")], 3)
    assert drawn != fit_texts([source], [("text 7", "text 8")], 4)
    assert not {"text 7", "text 8"} & set(drawn)
    assert set(drawn) <= set(source)
