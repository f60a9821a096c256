from __future__ import annotations

import numpy as np
import pytest

from pipeline.measure.small_search import rescored, retrieve_binary, signs


def test_the_nearest_by_hand() -> None:
    documents = np.array([[0b11110000, 0], [0b11111111, 0], [0, 0], [0b11110001, 0]], np.uint8)
    query = np.array([[0b11110000, 0b1]], np.uint8)  # distances 1, 5, 5, 2
    assert retrieve_binary(query, documents, 3).tolist() == [[0, 3, 1]]
    assert retrieve_binary(query, documents, 9).tolist() == [[0, 3, 1, 2]]


def test_hamming_distance_ranks_as_the_product_of_signs_does() -> None:
    generator = np.random.default_rng(0)
    queries, documents = (np.packbits(generator.random((rows, 64)) > 0.5, axis=1) for rows in (5, 40))
    products = signs(queries) @ signs(documents).T
    expected = np.argsort(-products, axis=1, kind="stable")[:, :10]
    np.testing.assert_array_equal(retrieve_binary(queries, documents, 10), expected)


def test_signs_are_those_of_the_bits() -> None:
    assert signs(np.array([[0b10100000]], np.uint8)).tolist() == [[1, -1, 1, -1, -1, -1, -1, -1]]


def test_candidates_are_ranked_anew_by_the_whole_query() -> None:
    documents = np.array([[1, 0], [0, 1], [0.6, 0.8]], np.float32)
    queries = np.array([[0, 1], [1, 0]], np.float32)
    candidates = np.array([[0, 2, 1], [2, 1, 0]])
    assert rescored(candidates, queries, documents, 2).tolist() == [[1, 2], [0, 2]]


def test_widths_must_fit() -> None:
    one, two = np.zeros((1, 1), np.uint8), np.zeros((1, 2), np.uint8)
    with pytest.raises(ValueError, match=r"must both be \[n, bytes\]"):
        retrieve_binary(one, two, 1)
    with pytest.raises(ValueError, match="k is 0"):
        retrieve_binary(one, one, 0)
