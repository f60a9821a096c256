"""The blocked search equals a plain one; mined pairs are what their kind says, by ranks counted anew."""

import tracemalloc
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from decant.errors import InputError
from pipeline.texts.mining import Floats, MineSettings, mine_pairs, nearest, score_histogram


def clustered(texts: int, dim: int = 8, seed: int = 0) -> Floats:
    generator = np.random.default_rng(seed)
    centres = generator.normal(size=(texts // 10, dim))
    vectors = centres[generator.integers(len(centres), size=texts)] + 0.6 * generator.normal(size=(texts, dim))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


class Store:
    """Vectors that are read by number only."""

    def __init__(self, vectors: Floats) -> None:
        self.vectors, self.most = vectors, 0

    @property
    def dim(self) -> int:
        return self.vectors.shape[1]

    def __len__(self) -> int:
        return len(self.vectors)

    def take(self, rows: NDArray[np.int64]) -> Floats:
        self.most = max(self.most, len(rows))
        return self.vectors[rows]


def cosines_of(vectors: Floats) -> NDArray[np.float64]:
    return vectors.astype(np.float64) @ vectors.astype(np.float64).T


def ranks_of(vectors: Floats) -> NDArray[np.int64]:
    """[texts, texts]: rank of the column for the row, 1 the nearest, 0 for itself."""
    cosines = cosines_of(vectors)
    np.fill_diagonal(cosines, 9)
    return np.argsort(np.argsort(-cosines, axis=1), axis=1)


VECTORS = clustered(120, seed=226)  # no two cosines of a text lie within 4e-6, where float32 could swap them
RANKS, COSINES = ranks_of(VECTORS), cosines_of(VECTORS)
SETTINGS = MineSettings(near=60, window=80, window_ranks=(5, 12), random=70)


@pytest.mark.parametrize("block", [1, 3, 7, 50, 119, 120, 1000])
@pytest.mark.parametrize("k", [1, 5, 119])
def test_nearest_equals_sorting_everything(block: int, k: int) -> None:
    indices, cosines = nearest(VECTORS, k, block=block)
    assert indices.dtype == np.int64
    assert cosines.dtype == np.float32
    np.testing.assert_array_equal(np.take_along_axis(RANKS, indices, 1), np.tile(np.arange(1, k + 1), (120, 1)))
    np.testing.assert_allclose(cosines, np.take_along_axis(COSINES, indices, 1), atol=1e-6)


def test_nearest_by_hand() -> None:
    angles = np.radians([0, 50, 10, 180])
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    indices, cosines = nearest(vectors, 2)
    assert indices.tolist() == [[2, 1], [2, 0], [0, 1], [1, 2]]
    expected = np.cos(np.radians([[10, 50], [40, 50], [10, 40], [130, 170]]))
    np.testing.assert_allclose(cosines, expected, atol=1e-6)


def test_a_text_that_stands_twice_is_its_own_nearest() -> None:
    indices, cosines = nearest(np.concatenate([VECTORS, VECTORS]), 1, block=64)
    assert indices[:, 0].tolist() == [*range(120, 240), *range(120)]
    np.testing.assert_allclose(cosines, 1, atol=1e-6)
    assert cosines.max() <= 1


def test_a_store_is_read_in_blocks_and_gives_the_same() -> None:
    store = Store(VECTORS)
    for found, expected in zip(nearest(store, 5, block=32), nearest(VECTORS, 5, block=32), strict=True):
        np.testing.assert_array_equal(found, expected)
    assert store.most == 32


@pytest.mark.parametrize("rising", [False, True])
def test_memory_is_bounded_even_where_every_block_beats_the_last(rising: bool) -> None:
    angles = np.linspace(1.4, 0, 1500) if rising else np.full(1500, 1.4)
    around = clustered(1500, 31, 1)
    vectors = np.concatenate([np.cos(angles)[:, None], np.sin(angles)[:, None] * around], axis=1).astype(np.float32)
    tracemalloc.start()
    nearest(vectors, 10, block=200)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 12 * 1500 * 10 + 60 * 200**2 + 2 * 200 * 32 * 4 + 300_000  # and whatever Python itself takes


def test_fewer_texts_than_ranks() -> None:
    with pytest.raises(InputError, match="5 texts have no 5 nearest ones each: give 6 texts or more"):
        nearest(VECTORS[:5], 5)
    with pytest.raises(InputError, match="50 texts have no 50 nearest ones each: give 51 texts"):
        mine_pairs(VECTORS[:50], MineSettings(), 0)


@pytest.mark.parametrize("value", [np.nan, np.inf, 0.9])
def test_vectors_that_are_not_unit_vectors(value: float) -> None:
    vectors = VECTORS.copy()
    vectors[7] = 0
    vectors[7, 3] = value
    with pytest.raises(InputError, match="vector of text 7 is not finite and of length 1"):
        nearest(vectors, 3, block=4)
    with pytest.raises(InputError, match="vector of text 7 is not finite and of length 1"):
        mine_pairs(vectors, MineSettings(near=0, window=0, random=7000), 0)


@pytest.mark.parametrize("flatten", [False, True])
def test_pairs_are_distinct_and_as_many_of_each_kind_as_asked(flatten: bool) -> None:
    mined = mine_pairs(VECTORS, SETTINGS.model_copy(update={"flatten": flatten}), 0)
    assert mined.counts() == {"near": 60, "window": 80, "random": 70}
    assert mined.kinds == ["near"] * 60 + ["window"] * 80 + ["random"] * 70
    assert len(mined) == 210
    assert mined.indices.shape == (210, 2)
    assert len({tuple(pair) for pair in mined.indices.tolist()}) == 210
    assert (mined.indices[:, 0] < mined.indices[:, 1]).all()
    np.testing.assert_allclose(mined.cosines, COSINES[mined.indices[:, 0], mined.indices[:, 1]], atol=1e-6)
    assert mined.cosines.dtype == np.float32


def near_pairs() -> set[tuple[int, int]]:
    return {(i, j) for i, j in combinations(range(120), 2) if min(RANKS[i, j], RANKS[j, i]) <= 3}


def window_pairs(share: float) -> set[tuple[int, int]]:
    """By the definition: in the window of one text, and for neither nearer than that or above the margin."""

    def inside(i: int, j: int) -> bool:
        return 5 <= RANKS[i, j] <= 12 and COSINES[i, j] <= share * COSINES[i][RANKS[i] == 1][0]

    def too_near(i: int, j: int) -> bool:
        return RANKS[i, j] <= 12 and not inside(i, j)

    pairs = [(i, j) for i, j in combinations(range(120), 2) if inside(i, j) or inside(j, i)]
    return {(i, j) for i, j in pairs if not too_near(i, j) and not too_near(j, i)}


@pytest.mark.parametrize("share", [0.8, 0.95])
def test_near_and_window_pairs_are_those_of_the_definition(share: float) -> None:
    near, window = near_pairs(), window_pairs(share)
    settings = {"near": len(near), "window": len(window), "window_ranks": (5, 12), "random": 0, "max_of_nearest": share}
    mined = mine_pairs(VECTORS, MineSettings.model_validate(settings), 0)  # all that there are
    found = [tuple(pair) for pair in mined.indices.tolist()]
    assert set(found[: len(near)]) == near
    assert set(found[len(near) :]) == window
    assert len(window_pairs(0.8)) < len(window_pairs(0.95))


@pytest.mark.parametrize(
    ("kind", "count", "remedy"),
    [("near", len(near_pairs()), "raise near_ranks"), ("window", len(window_pairs(0.95)), "widen window_ranks")],
)
def test_more_pairs_than_there_are(kind: str, count: int, remedy: str) -> None:
    said = f"{kind}: {count + 1} pairs are asked for, but 120 texts have {count} such; ask for fewer, or {remedy}"
    with pytest.raises(InputError, match=said):
        mine_pairs(VECTORS, SETTINGS.model_copy(update={kind: count + 1}), 0)


def test_random_pairs_are_any_others_down_to_the_last() -> None:
    settings = {"near": 5, "window": 0, "random": 120 * 119 // 2 - 5}
    mined = mine_pairs(VECTORS, MineSettings.model_validate(settings), 0)
    assert {tuple(pair) for pair in mined.indices.tolist()} == set(combinations(range(120), 2))
    with pytest.raises(InputError, match="random: 7136 pairs are asked for, but 120 texts have 7135 such"):
        mine_pairs(VECTORS, MineSettings.model_validate(settings | {"random": 7136}), 0)


def test_random_pairs_fall_on_all_texts_alike() -> None:
    mined = mine_pairs(VECTORS, MineSettings(near=0, window=0, random=3000), 0)
    per_text = np.bincount(mined.indices.ravel(), minlength=120)
    assert per_text.mean() == 50
    assert 30 < per_text.min() <= per_text.max() < 70  # a standard deviation is about 5


def test_random_pairs_need_no_search() -> None:
    store = Store(VECTORS[:2])
    mined = mine_pairs(store, MineSettings(near=0, window=0, random=1), 0)
    assert mined.indices.tolist() == [[0, 1]]
    assert mined.counts() == {"random": 1}
    with pytest.raises(InputError, match="random: 1 pairs are asked for, but 1 texts have 0 such; .* give more texts"):
        mine_pairs(VECTORS[:1], MineSettings(near=0, window=0, random=1), 0)


@pytest.mark.parametrize("flatten", [False, True])
def test_the_seed_decides(flatten: bool) -> None:
    settings = SETTINGS.model_copy(update={"flatten": flatten})
    first, again, other = (mine_pairs(VECTORS, settings, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.indices, again.indices)
    assert first.indices.tolist() != other.indices.tolist()
    np.testing.assert_array_equal(mine_pairs(Store(VECTORS), settings, 1).indices, first.indices)


def test_flattening_leaves_no_pair_that_would_sit_better_elsewhere() -> None:
    """With few texts every pair can be chosen, so that the choice must be the best there is."""
    mined = mine_pairs(VECTORS, SETTINGS.model_copy(update={"flatten": True, "random": 400}), 0)
    load = score_histogram(mined.cosines)
    chosen = {tuple(pair): kind for pair, kind in zip(mined.indices.tolist(), mined.kinds, strict=True)}
    near, window = near_pairs(), window_pairs(0.95)
    others = set(combinations(range(120), 2)) - near - window
    for kind, pool in {"near": near, "window": window, "random": others}.items():
        taken = [pair for pair in pool if chosen.get(pair) == kind]
        left = [pair for pair in pool if pair not in chosen]
        assert taken
        bins = {name: np.floor((np.array([COSINES[p] for p in part]) + 1) * 10).astype(int) for name, part in
                {"taken": taken, "left": left}.items()}  # fmt: skip
        assert load[bins["taken"]].max() - load[bins["left"]].min() <= 1
    plain = score_histogram(mine_pairs(VECTORS, SETTINGS.model_copy(update={"random": 400}), 0).cosines)
    assert (load**2).sum() < 0.9 * (plain**2).sum()


def test_histogram_by_hand() -> None:
    cosines = np.array([-1, -0.95, -0.05, 0, 0.05, 0.55, 0.999, 1], np.float32)
    assert score_histogram(cosines).tolist() == [2] + [0] * 8 + [1, 2] + [0] * 4 + [1] + [0] * 3 + [2]
    assert score_histogram(cosines, 2).tolist() == [3, 5]
    assert score_histogram(cosines[:0], 3).tolist() == [0, 0, 0]


@pytest.mark.parametrize("value", [np.nan, 1.1, -2])
def test_a_histogram_leaves_nothing_out(value: float) -> None:
    with pytest.raises(ValueError, match=r"cosines must lie within -1\.\.1"):
        score_histogram(np.array([0, value], np.float32))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"near_ranks": 10}, r"window_ranks \[10, 50\] must rise and begin below near_ranks 10; give \[11"),
        ({"window_ranks": (20, 19)}, "must rise"),
        ({"near": 0, "window": 0, "random": 0}, "are all 0"),
        ({"max_of_nearest": 1.2}, "less than or equal to 1"),
        ({"near": -1}, "greater than or equal to 0"),
        ({"bins": 1}, "greater than or equal to 2"),
    ],
)
def test_settings_that_contradict(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        MineSettings.model_validate(given)
