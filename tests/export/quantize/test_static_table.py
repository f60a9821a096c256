"""Tables of static students in their precisions: close to what they were, zeros where they were, and small."""

import numpy as np
import pytest

from decant.errors import InputError
from export.quantize.static_table import own_direction, stored_table, table_shape, take_rows

ROWS = np.random.default_rng(0).standard_normal((50, 64)).astype(np.float32) * np.logspace(-3, 3, 50)[:, None]
ROWS = ROWS.astype(np.float32)
ROWS[[0, 7]] = 0


@pytest.mark.parametrize(("precision", "off"), [("fp32", 0), ("fp16", 2**-11), ("int8", 0.5 / 127), ("int4", 1 / 8)])
def test_rows_come_back_within_half_a_step(precision: str, off: float) -> None:
    stored = stored_table(ROWS, precision)
    found = take_rows(stored, np.arange(50))
    assert found.dtype == np.float32
    assert (np.abs(found - ROWS) <= off * np.abs(ROWS).max(axis=1, keepdims=True) * (1 + 1e-2) + 1e-7).all()
    assert not found[[0, 7]].any()
    assert table_shape(stored) == (50, 64)
    assert (take_rows(stored, np.array([3, 3, 49])) == found[[3, 3, 49]]).all()


def test_int8_is_as_the_peers_read_it() -> None:
    stored = stored_table(ROWS, "int8")
    assert {name: tensor.dtype for name, tensor in stored.items()} == {"embeddings": np.int8, "weights": np.float32}
    assert np.abs(stored["embeddings"]).max() == 127
    by_hand = stored["embeddings"].astype(np.float32) * stored["weights"][:, None]
    assert (by_hand == take_rows(stored, slice(None))).all()


def test_int4_keeps_two_codes_a_byte() -> None:
    stored = stored_table(np.array([[-8, 7, 0, 1, -1, 3, 2, 4] * 4] * 2, np.float32), "int4")
    assert stored["packed"].shape == (2, 16)
    assert stored["packed"].flags.c_contiguous
    assert stored["scales"].shape == (2, 1)
    assert stored["packed"][0, 0] == 0 + 16 * 0  # -8 and -8, raised by 8
    assert stored["packed"][1, 1] == 15 + 16 * 15
    assert (take_rows(stored, slice(None))[0, :8] == [-8, 7, 0, 1, -1, 3, 2, 4]).all()


@pytest.mark.parametrize(("dim", "block"), [(64, 64), (32, 32), (48, 16), (24, 8), (8, 8)])
def test_a_block_divides_a_row(dim: int, block: int) -> None:
    assert stored_table(ROWS[:, :dim], "int4")["scales"].shape == (50, dim // block)


def test_int8_of_the_usual_table_takes_four_mebibytes() -> None:
    stored = stored_table(np.ones((30_522, 128), np.float32), "int8")
    assert sum(tensor.nbytes for tensor in stored.values()) <= 4 * 2**20


@pytest.mark.parametrize(
    ("rows", "precision", "said"),
    [
        (ROWS[:, :12], "int4", "dim that 8 divides, not 12"),
        (ROWS * 1e3, "fp16", "holds numbers up to 65504"),
        (ROWS * 1e4, "int4", "scales are float16"),
        (np.full((2, 8), np.nan, np.float32), "int8", "not finite"),
        (ROWS, "int8-row", "no precision int8-row"),
    ],
)
def test_what_a_precision_cannot_hold_is_refused(rows: np.ndarray, precision: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        stored_table(rows, precision)


@pytest.mark.parametrize(
    ("tensors", "said"),
    [
        ({}, "holds nothing"),
        ({"embedding.weight": ROWS}, "holds embedding.weight"),
        ({"embeddings": ROWS, "mapping": np.arange(50)}, "holds embeddings, mapping"),
        ({"embeddings": ROWS.astype(np.int8)}, "embeddings is int8"),
        ({"embeddings": ROWS, "weights": ROWS[:, 0]}, "embeddings is float32, not int8"),
        ({"embeddings": ROWS[0]}, r"shape \[64\]"),
        ({"embeddings": ROWS[:0]}, r"shape \[0, 64\]"),
        ({"embeddings": ROWS.astype(np.int8), "weights": ROWS[:9, 0]}, "one for each of 50"),
        ({**stored_table(ROWS, "int4"), "scales": np.ones((50, 3), np.float16)}, r"\[50, 3\], which do not fit"),
        ({**stored_table(ROWS, "int4"), "scales": np.ones((50, 0), np.float16)}, "do not fit"),
    ],
)
def test_what_is_no_table_is_refused(tensors: dict[str, np.ndarray], said: str) -> None:
    with pytest.raises(InputError, match=said):
        table_shape(tensors)


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8", "int4"])
def test_the_tables_own_direction_is_the_sum_of_its_rows(precision: str) -> None:
    stored = stored_table(np.tile(ROWS, (200, 1)), precision)  # more rows than are read at a time
    total = take_rows(stored, slice(None)).astype(np.float64).sum(axis=0)
    assert np.abs(own_direction(stored) - total / np.linalg.norm(total)).max() < 1e-6


@pytest.mark.parametrize("rows", [np.zeros((3, 8)), np.vstack([ROWS, -ROWS])])
def test_a_table_without_a_direction_is_refused(rows: np.ndarray) -> None:
    with pytest.raises(InputError, match="no direction"):
        own_direction({"embeddings": rows.astype(np.float32)})
