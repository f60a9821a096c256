from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from decant.errors import InputError
from teachers.cross_encoders.cross_encoder import Pair
from teachers.labels import score_store as targets
from teachers.labels.score_store import pair_key, read_shards, teacher_targets
from teachers.labels.shard_store import labelled_items

PAIRS = [(f"text {index}" + " word" * (index % 5), f"other {index}") for index in range(10)]


class Killed(BaseException):
    """The process ends here."""


class Teacher:
    """Scores that say which pair they belong to; dies at its call number `dies_at`, from 0."""

    def __init__(self, outputs: int = 1, dies_at: int | None = None) -> None:
        self.outputs, self.dies_at, self.calls = outputs, dies_at, list[list[Pair]]()

    def __call__(self, pairs: Sequence[Pair], progress: Callable[[int], None]) -> NDArray[np.float32]:
        if len(self.calls) == self.dies_at:
            raise Killed
        self.calls.append(list(pairs))
        progress(len(pairs))
        scores = expected(pairs, self.outputs)
        return scores[:, 0] if self.outputs == 1 else scores

    @property
    def scored(self) -> list[Pair]:
        return [pair for call in self.calls for pair in call]


def expected(pairs: Sequence[Pair], outputs: int = 1) -> NDArray[np.float32]:
    rows = [
        [len(first) + 0.01 * int(second.split()[-1]) + column for column in range(outputs)] for first, second in pairs
    ]
    return np.array(rows, np.float32).reshape(len(pairs), outputs)


@pytest.fixture(autouse=True)
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(targets, "SHARD_PAIRS", 3)


@pytest.mark.parametrize("outputs", [1, 3])
def test_scores_in_the_order_of_the_pairs(tmp_path: Path, outputs: int) -> None:
    found = teacher_targets(PAIRS, Teacher(outputs), tmp_path, outputs)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, expected(PAIRS, outputs))
    np.testing.assert_array_equal(
        teacher_targets(PAIRS[::-1], Teacher(outputs, dies_at=0), tmp_path, outputs), expected(PAIRS[::-1], outputs)
    )


def test_each_distinct_pair_is_scored_once(tmp_path: Path) -> None:
    teacher = Teacher()
    found = teacher_targets(PAIRS + PAIRS[:4] * 2, teacher, tmp_path, 1)
    assert sorted(teacher.scored) == sorted(PAIRS)
    np.testing.assert_array_equal(found, expected(PAIRS + PAIRS[:4] * 2))


def test_like_lengths_share_a_shard(tmp_path: Path) -> None:
    teacher = Teacher()
    teacher_targets(PAIRS, teacher, tmp_path, 1)
    lengths = [len(first) + len(second) for first, second in teacher.scored]
    assert lengths == sorted(lengths, reverse=True)
    assert [len(call) for call in teacher.calls] == [3, 3, 3, 1]


def test_resumes_at_the_shard_where_it_was_killed(tmp_path: Path) -> None:
    killed, resumed = Teacher(dies_at=2), Teacher()
    with pytest.raises(Killed, match="^$"):
        teacher_targets(PAIRS, killed, tmp_path, 1)
    assert len(killed.scored) == 6
    found = teacher_targets(PAIRS, resumed, tmp_path, 1)
    assert sorted(killed.scored + resumed.scored) == sorted(PAIRS)
    np.testing.assert_array_equal(found, expected(PAIRS))


def test_half_written_shard_is_not_read(tmp_path: Path) -> None:
    teacher_targets(PAIRS, Teacher(), tmp_path, 1)
    whole = tmp_path / "shard-000000.arrow"
    (tmp_path / "shard-000009.partial").write_bytes(whole.read_bytes()[:50])
    assert teacher_targets(PAIRS, Teacher(dies_at=0), tmp_path, 1).shape == (10, 1)


def test_changed_set_scores_only_what_is_new(tmp_path: Path) -> None:
    teacher_targets(PAIRS, Teacher(), tmp_path, 1)
    new = [("new text", "and 1"), (PAIRS[0][1], "text 0")]
    teacher = Teacher()
    changed = [new[0], *PAIRS[5:2:-1], new[1]]
    np.testing.assert_array_equal(teacher_targets(changed, teacher, tmp_path, 1), expected(changed))
    assert sorted(teacher.scored) == sorted(new)


def test_no_pairs(tmp_path: Path) -> None:
    assert teacher_targets([], Teacher(3, dies_at=0), tmp_path, 3).shape == (0, 3)


def test_key_tells_pairs_apart() -> None:
    pairs = [("ab", "c"), ("a", "bc"), ("c", "ab"), ("abc", ""), ("", "abc"), ("", ""), ("\ud800", "c")]
    assert len({pair_key(pair) for pair in pairs}) == len(pairs)
    assert {len(pair_key(pair)) for pair in pairs} == {16}


@pytest.mark.parametrize("keep", [0, 10, 100])
def test_damaged_shard(tmp_path: Path, keep: int) -> None:
    teacher_targets(PAIRS, Teacher(), tmp_path, 1)
    shard = tmp_path / "shard-000001.arrow"
    shard.write_bytes(shard.read_bytes()[:keep])
    with pytest.raises(InputError, match=r"shard-000001\.arrow is damaged \(\w+\); delete it and run again"):
        teacher_targets(PAIRS, Teacher(), tmp_path, 1)
    shard.unlink()
    np.testing.assert_array_equal(teacher_targets(PAIRS, Teacher(), tmp_path, 1), expected(PAIRS))


def test_labelled_pairs_are_counted_without_reading_them(tmp_path: Path) -> None:
    assert labelled_items(tmp_path) == 0
    teacher_targets([*PAIRS, PAIRS[0]], Teacher(), tmp_path, 1)
    assert labelled_items(tmp_path) == len(PAIRS)
    shard = tmp_path / "shard-000001.arrow"
    for damage in (shard.read_bytes()[:100], b""):
        shard.write_bytes(damage)
        assert labelled_items(tmp_path) == len(PAIRS) - targets.SHARD_PAIRS


def test_shards_of_another_number_of_outputs(tmp_path: Path) -> None:
    teacher_targets(PAIRS, Teacher(2), tmp_path, 2)
    with pytest.raises(InputError, match=r"holds scores of shape \(3, 2\), expected \(3, 1\); delete it"):
        read_shards(tmp_path, 1)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_score_that_is_no_finite_number(tmp_path: Path, value: float) -> None:
    def score(pairs: Sequence[Pair], progress: Callable[[int], None]) -> NDArray[np.float32]:
        scores = expected(pairs)[:, 0]
        scores[1] = value
        return scores

    message = "the teacher gives no finite score for 1 pairs, such as 'text"
    with pytest.raises(InputError, match=message):
        teacher_targets(PAIRS, score, tmp_path, 1)
    assert list(tmp_path.iterdir()) == []
