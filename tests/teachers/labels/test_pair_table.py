from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from decant.errors import InputError
from teachers.labels.pair_table import PairTable, join_pairs, open_pairs, write_batches

SCHEMA = pa.schema({"first": pa.string(), "second": pa.string(), "label": pa.float32()})
PAIRS = [(f"a{number}", f"é{number}") for number in range(7)]


def batches(*sizes: int) -> list[pa.RecordBatch]:
    made, start = [], 0
    for size in sizes:
        part = PAIRS[start : start + size]
        columns = [[a for a, _ in part], [b for _, b in part], list(range(start, start + size))]
        made.append(
            pa.RecordBatch.from_arrays(
                [pa.array(column, field.type) for column, field in zip(columns, SCHEMA, strict=True)], schema=SCHEMA
            )
        )
        start += size
    return made


@pytest.mark.parametrize("mapped", [True, False])
def test_is_a_sequence_of_its_pairs(mapped: bool, tmp_path: Path) -> None:
    path = tmp_path / "pairs.arrow" if mapped else None
    table = write_batches(batches(3, 0, 2, 2), SCHEMA, path)
    assert len(table) == 7
    assert list(table) == PAIRS
    assert [table[row] for row in range(-7, 7)] == PAIRS * 2
    assert table[np.int64(4)] == PAIRS[4]
    assert table[1:6:2] == PAIRS[1:6:2]
    assert table == PAIRS
    assert table != PAIRS[:-1]
    assert table != [*PAIRS[:-1], ("a6", "other")]
    assert table.column("label", np.float32).tolist() == list(range(7))
    with pytest.raises(IndexError, match="pair 7 of 7"):
        table[7]


def test_no_pairs(tmp_path: Path) -> None:
    table = write_batches([], SCHEMA, tmp_path / "none.arrow")
    assert (len(table), list(table), table.column("label", np.float32).shape) == (0, [], (0,))


def test_joined() -> None:
    one, two = PairTable(batches(3)), PairTable(batches(3, 4))
    joined = join_pairs(one, two)
    assert isinstance(joined, PairTable)
    assert list(joined) == PAIRS[:3] + PAIRS
    assert join_pairs(PairTable([]), two) is two
    assert join_pairs(one, []) is one
    assert join_pairs(one, PAIRS[:1]) == [*PAIRS[:3], PAIRS[0]]


def test_a_damaged_file(tmp_path: Path) -> None:
    path = tmp_path / "pairs.arrow"
    write_batches(batches(3), SCHEMA, path)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(InputError, match=r"pairs\.arrow is damaged"):
        open_pairs(path)
