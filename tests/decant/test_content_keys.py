import numpy as np
import pytest

from decant import content_keys
from decant.content_keys import as_keys, content_key, find_rows, first_rows, hash_rows, number_keys


def test_rows_are_named_by_their_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(content_keys, "HASHED_AT_ONCE", 2)
    rows = [("ab", "c"), ("a", "bc"), ("ab", "c"), ("", ""), ("é", "xyz")]
    keys, lengths = hash_rows(iter(rows), len(rows))
    assert keys.tobytes() == b"".join(content_key(*row) for row in rows)
    assert lengths.tolist() == [3, 3, 3, 0, 4]


def test_first_rows_of_repeated_keys() -> None:
    keys = np.array([[9, 1], [1, 9], [9, 1], [1, 8], [1, 9], [0, 0]], np.uint64)
    assert first_rows(keys).tolist() == [0, 1, 3, 5]
    assert first_rows(keys[:0]).tolist() == []


def test_keys_that_share_their_first_half_are_told_apart() -> None:
    known = np.array([[5, 3], [5, 1], [7, 1], [5, 2]], np.uint64)
    wanted = np.array([[5, 2], [5, 4], [7, 1], [7, 0], [8, 1], [0, 1], [5, 1]], np.uint64)
    assert find_rows(wanted, known).tolist() == [3, -1, 2, -1, -1, -1, 1]
    assert find_rows(wanted, known[:0]).tolist() == [-1] * 7


def test_found_among_many() -> None:
    generator = np.random.default_rng(0)
    known = generator.integers(0, 50, (400, 2)).astype(np.uint64)
    wanted = generator.integers(0, 60, (400, 2)).astype(np.uint64)
    rows = find_rows(wanted, known)
    table = {tuple(key) for key in known.tolist()}
    for key, row in zip(wanted.tolist(), rows.tolist(), strict=True):
        assert (row >= 0) == (tuple(key) in table)
        assert row < 0 or known[row].tolist() == key
    assert as_keys(known.tobytes()).tolist() == known.tolist()


def test_keys_are_numbered_by_their_first_standing() -> None:
    keys = np.array([[9, 1], [1, 9], [9, 1], [1, 8], [1, 9], [0, 0]], np.uint64)
    numbers, first = number_keys(keys)
    assert numbers.tolist() == [0, 1, 0, 2, 1, 3]
    assert first.tolist() == [0, 1, 3, 5]
