from __future__ import annotations

import numpy as np
import pytest

from decant import batches
from decant.batches import bucketed_batches, padded, padding_share, sorted_batches

LENGTHS = [3, 9, 1, 9, 4, 7, 2]


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_sorted_longest_first_and_stable() -> None:
    found = [batch.tolist() for batch in sorted_batches(LENGTHS, 3)]
    assert found == [[1, 3, 5], [4, 0, 6], [2]]


def test_sorted_nothing() -> None:
    assert list(sorted_batches([], 3)) == []


@pytest.mark.parametrize("count", [1, 2, 31, 64, 501])
def test_bucketed_has_each_row_exactly_once(count: int) -> None:
    lengths = generator(1).integers(1, 100, count).tolist()
    found = bucketed_batches(lengths, 4, generator())
    assert sorted(np.concatenate(found).tolist()) == list(range(count))
    assert len(found) == -(-count // 4) if count <= 4 * batches.BUCKET_BATCHES else len(found) >= -(-count // 4)
    assert max(len(batch) for batch in found) <= 4


def test_bucketed_is_decided_by_the_seed() -> None:
    lengths = list(range(60))
    first, again, other = (bucketed_batches(lengths, 4, generator(seed)) for seed in (5, 5, 6))
    assert [batch.tolist() for batch in first] == [batch.tolist() for batch in again]
    assert [batch.tolist() for batch in first] != [batch.tolist() for batch in other]


def test_bucketed_mixes_between_buckets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "BUCKET_BATCHES", 2)
    lengths = list(range(40))
    for batch in bucketed_batches(lengths, 4, generator()):
        assert np.all(np.diff(batch) > 0), "sorted inside a bucket"
    assert any(batch[-1] - batch[0] > 4 for batch in bucketed_batches(lengths, 4, generator()))


def test_bucketed_pads_less_than_random_order() -> None:
    lengths = generator(2).integers(1, 100, 400).tolist()
    order = generator(3).permutation(400)
    random = [order[start : start + 8] for start in range(0, 400, 8)]
    assert padding_share(lengths, bucketed_batches(lengths, 8, generator())) < padding_share(lengths, random) / 5


def test_padded() -> None:
    ids, mask = padded([[5, 6, 7], [8]], pad_id=1)
    assert ids.tolist() == [[5, 6, 7], [8, 1, 1]]
    assert mask.tolist() == [[1, 1, 1], [1, 0, 0]]


def test_padding_share_by_hand() -> None:
    # 2 x 4 and 1 x 2 tokens, of which 4 + 1 + 2 are real
    assert padding_share([4, 1, 2], [np.array([0, 1]), np.array([2])]) == pytest.approx(0.3)
    assert padding_share([], []) == 0.0
