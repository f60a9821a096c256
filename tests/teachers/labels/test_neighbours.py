from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from decant.batches import padding_share
from teachers.labels import neighbours
from teachers.labels.neighbours import neighbour_batches, sketch
from tests.held_vectors import Held


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def topics(count: int, each: int) -> NDArray[np.float32]:
    """Unit vectors around `count` centres, those of a centre `count` rows apart."""
    centres = generator(1).standard_normal((count, 96))
    points = np.tile(centres, (each, 1)) + 0.1 * generator(2).standard_normal((count * each, 96))
    return (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32)


def test_a_sketch_keeps_dot_products_roughly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "CHUNK", 7)
    vectors = topics(20, 2)
    small = sketch(Held(vectors), seed=0).astype(np.float32)
    assert small.shape == (40, neighbours.SKETCH_DIM)
    errors = small @ small.T - vectors @ vectors.T
    assert np.sqrt(np.square(errors).mean()) < 1.5 / neighbours.SKETCH_DIM**0.5
    np.testing.assert_array_equal(sketch(Held(vectors), seed=0), small.astype(np.float16))


@pytest.mark.parametrize("count", [1, 3, 4, 5, 63, 64, 65, 257])
def test_each_row_stands_in_one_batch(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "STRATUM", 50)
    points = generator(3).standard_normal((count, 8)).astype(np.float16)
    lengths = generator(4).integers(1, 60, count).tolist()
    found = neighbour_batches(lengths, points, 4, 10, generator())
    assert sorted(np.concatenate(found).tolist()) == list(range(count))
    assert max(len(batch) for batch in found) <= 8, "two whole groups of 4"
    again, other = (neighbour_batches(lengths, points, 4, 10, generator(seed)) for seed in (0, 1))
    assert [batch.tolist() for batch in again] == [batch.tolist() for batch in found]
    assert len(other) == len(found), "as many batches in every epoch"


def test_neighbours_meet_in_a_batch() -> None:
    count, each = 64, 4
    vectors = topics(count, each)
    topic = np.arange(len(vectors)) % count
    found = neighbour_batches([5] * len(vectors), sketch(Held(vectors), 0), each, 16, generator())
    together = [np.mean(topic[batch][:, None] == topic[batch][None, :]) * len(batch) for batch in found]
    assert np.mean(together) > 2.5, "of the 4 texts of a topic, with itself; at random it would be 1.2"


def test_batches_are_of_like_length(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "STRATUM", 200)
    lengths = generator(5).integers(1, 100, 2000).tolist()
    points = generator(6).standard_normal((2000, 8)).astype(np.float16)
    order = generator(7).permutation(2000)
    random = [order[start : start + 16] for start in range(0, 2000, 16)]
    found = neighbour_batches(lengths, points, 4, 16, generator())
    assert padding_share(lengths, found) < padding_share(lengths, random) / 2
