"""Big arrays go to another process as files; what it makes of them is the same."""

import shutil
from functools import partial
from pathlib import Path

import cloudpickle
import numpy as np
import pytest

from decant.training.handed_arrays import BIG_BYTES, dump

BIG = np.arange(BIG_BYTES // 4, dtype=np.float32)


@pytest.mark.parametrize(
    "array",
    [
        BIG,
        BIG.reshape(64, -1).T,
        BIG.reshape(-1, 2)[::-1, :],
        np.frombuffer(bytearray(range(256)) * BIG_BYTES, np.uint16),
        np.array([f"{number}" for number in range(BIG_BYTES)]),
        np.array([b"", None] * BIG_BYTES, object),
        np.zeros((0, 3)),
    ],
    ids=["plain", "turned", "backward", "of bytes", "words", "objects", "empty"],
)
def test_arrays_come_back_as_they_were(array: np.ndarray, tmp_path: Path) -> None:
    back = cloudpickle.loads(dump({"one": array, "two": array}, tmp_path))
    assert back["one"] is back["two"]
    assert type(back["one"]) is np.ndarray
    assert back["one"].dtype == array.dtype
    np.testing.assert_array_equal(back["one"], array)


def test_the_bytes_hold_no_big_array_and_the_files_may_go(tmp_path: Path) -> None:
    small, big = np.arange(10), BIG * 2

    def total(row: int) -> float:
        return float(big[row] + small[row])

    handed = dump(partial(total, 7), tmp_path)
    assert len(handed) < BIG_BYTES // 4
    assert [path.name for path in tmp_path.iterdir()] == ["0.npy"]
    work = cloudpickle.loads(handed)
    shutil.rmtree(tmp_path)
    assert work() == 21


def test_a_process_that_writes_writes_for_itself(tmp_path: Path) -> None:
    handed = dump(BIG, tmp_path)
    changed, other = cloudpickle.loads(handed), cloudpickle.loads(handed)
    changed[:] = -1
    np.testing.assert_array_equal(other, BIG)
    np.testing.assert_array_equal(cloudpickle.loads(handed), BIG)
