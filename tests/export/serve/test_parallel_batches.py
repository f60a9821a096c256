from __future__ import annotations

import threading

import numpy as np
import pytest

from export.serve.parallel_batches import THREAD_TOKENS, ParallelBatches, Rows, side_by_side, token_batches


def test_batches_hold_every_row_once_within_the_tokens() -> None:
    lengths = [5, 1, 9, 3, 3, 30, 2]
    batches = token_batches(lengths, 10)
    assert [list(batch) for batch in batches] == [[5], [2], [0, 3], [4, 6, 1]]


def test_batches_hold_so_many_rows_at_most() -> None:
    assert [len(batch) for batch in token_batches([4] * 7, 1000, most_rows=3)] == [3, 3, 1]


def test_no_rows_no_batches() -> None:
    assert token_batches([], 10) == []


def rows(*numbers: int) -> list[Rows]:
    return [np.array([number]) for number in numbers]


@pytest.mark.parametrize("parallel", [1, 3])
def test_results_come_with_their_batch_in_order(parallel: int) -> None:
    found = list(side_by_side(lambda batch: int(batch[0]) ** 2, rows(4, 1, 3, 2), parallel))
    assert [(int(batch[0]), result) for batch, result in found] == [(4, 16), (1, 1), (3, 9), (2, 4)]


def test_batches_run_at_the_same_time() -> None:
    both = threading.Barrier(2, timeout=20)  # breaks unless two wait for each other
    assert len(list(side_by_side(lambda _: both.wait(), rows(0, 1), parallel=2))) == 2


def test_an_error_ends_it() -> None:
    begun: list[int] = []

    def run(batch: Rows) -> None:
        begun.append(int(batch[0]))
        raise ValueError(f"batch {batch[0]}")

    with pytest.raises(ValueError, match="batch 0"):
        list(side_by_side(run, rows(*range(1000)), parallel=2))
    assert len(begun) < 1000


def names(parallel: ParallelBatches, lengths: list[int], batch_size: int = 32) -> list[tuple[str, int]]:
    """Of every batch, the session that ran it and its rows."""
    ran = parallel.run(lengths, batch_size, lambda session, rows: (session, len(rows)))
    return [found for _, found in ran]


def test_enough_batches_run_side_by_side_in_a_session_that_is_opened_once() -> None:
    opened: list[str] = []

    def open_single() -> str:
        opened.append("single")
        return "single"

    parallel = ParallelBatches("whole", 2, open_single)
    assert names(parallel, [10]) == [("whole", 1)]
    assert opened == []
    assert names(parallel, [10] * 6) == [("single", 3), ("single", 3)]
    assert names(parallel, [THREAD_TOKENS, 2 * THREAD_TOKENS, 1]) == [("single", 1), ("single", 1), ("single", 1)]
    assert opened == ["single"]


def test_one_lane_never_opens_another_session() -> None:
    parallel = ParallelBatches("whole", 1, lambda: pytest.fail("opened"))
    parallel.hold()
    assert names(parallel, [10] * 70) == [("whole", 32), ("whole", 32), ("whole", 6)]
    assert names(parallel, []) == []


def test_what_is_held_is_not_opened_again() -> None:
    left = ["single"]
    parallel = ParallelBatches("whole", 2, left.pop)
    parallel.hold()
    parallel.hold()
    assert names(parallel, [10, 10]) == [("single", 1), ("single", 1)]
