import numpy as np
import pytest

from pipeline.measure.agreement import (
    LEAST_TEXTS,
    MOST_TEXTS,
    NEAREST,
    agreement_pairs,
    agreement_texts,
    nearest,
    neighbour_recall,
    sides_of,
)

TEXTS = [f"text {number}" for number in range(60)]


def unit(seed: int, rows: int = len(TEXTS), dim: int = 16) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(rows, dim)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def ranked(vectors: np.ndarray, row: int) -> list[int]:
    """Every other row, the nearest first."""
    cosines = vectors[row] @ vectors.T
    return [int(other) for other in np.argsort(-cosines, kind="stable") if other != row]


def test_a_tenth_of_the_texts_is_held_back_between_two_bounds() -> None:
    assert [agreement_texts(given) for given in (30, 500, 10**6)] == [LEAST_TEXTS, 50, MOST_TEXTS]


def test_pairs_are_near_and_far_each_once_with_the_teachers_cosine() -> None:
    vectors = unit(0)
    pairs, cosines = agreement_pairs(TEXTS, vectors, seed=3)
    rows = [(TEXTS.index(first), TEXTS.index(second)) for first, second in pairs]
    assert len({frozenset(row) for row in rows}) == len(rows) > 3 * len(TEXTS)
    assert all(first != second for first, second in rows)
    np.testing.assert_allclose(cosines, [vectors[first] @ vectors[second] for first, second in rows], rtol=1e-5)
    near = [b in ranked(vectors, a)[:NEAREST] or a in ranked(vectors, b)[:NEAREST] for a, b in rows]
    assert 0.3 < np.mean(near) < 0.7
    for row in range(len(TEXTS)):  # two of each kind at least
        own = [(b if a == row else a) for a, b in rows if row in (a, b)]
        assert sum(other in ranked(vectors, row)[:NEAREST] for other in own) >= 2
        assert sum(other not in ranked(vectors, row)[:NEAREST] for other in own) >= 2


def test_the_seed_decides_which() -> None:
    first, again, other = (agreement_pairs(TEXTS, unit(0), seed)[0] for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_sides_number_the_texts_in_their_order() -> None:
    texts, sides = sides_of([("b", "a"), ("a", "c")])
    assert texts == ["b", "a", "c"]
    assert sides.tolist() == [[0, 1], [1, 2]]


def test_nearest_leaves_the_text_itself_out() -> None:
    vectors = unit(1)
    assert nearest(vectors).tolist() == [ranked(vectors, row)[:NEAREST] for row in range(len(vectors))]


def test_the_share_of_neighbours_that_is_found() -> None:
    teacher, model = unit(2), unit(3)
    shares = [len({*ranked(teacher, row)[:10]} & {*ranked(model, row)[:10]}) / 10 for row in range(len(TEXTS))]
    found = neighbour_recall(model, nearest(teacher), resamples=200, seed=0)
    assert found["neighbour_recall"] == pytest.approx(np.mean(shares))
    low, high = found["neighbour_recall_ci95"]
    assert low < np.mean(shares) < high
    assert neighbour_recall(teacher, nearest(teacher), 10, 0)["neighbour_recall"] == 1
