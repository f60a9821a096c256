"""A Parquet file comes in parts of the wanted columns, whatever its row groups and the types of its columns are."""

from pathlib import Path

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from decant.errors import InputError
from pipeline.texts import dataset_rows
from pipeline.texts.dataset_rows import read_features, table_parts
from pipeline.texts.source import Source, read_rows, row_parts


@pytest.fixture(autouse=True)
def two_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataset_rows, "ROWS_AT_ONCE", 2)


def test_some_rows_at_a_time(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": list("vwxyz"), "b": range(5)}), tmp_path / "a.parquet", row_group_size=4)
    features, rows = read_features(tmp_path / "a.parquet")
    assert rows == 5
    parts = [part.to_pydict() for part in table_parts(tmp_path / "a.parquet", features, ["b"])]
    assert max(len(part["b"]) for part in parts) == 2
    assert [number for part in parts for number in part["b"]] == [0, 1, 2, 3, 4]


def test_other_columns_are_not_read(tmp_path: Path) -> None:
    """Those that a wanted column's name begins are other columns, and one of a kind that is no text is let be."""
    table = pa.table({"a.b": ["no"] * 3, "a": ["x", None, "z"], "blob": [b"\xff"] * 3})
    pq.write_table(table, tmp_path / "a.parquet")
    found, _ = read_rows(Source(path="a.parquet"), tmp_path, ("a",))
    assert found == [{"a": "x"}, {"a": None}, {"a": "z"}]
    with pytest.raises(InputError, match="column 'blob' holds binary, not texts or numbers"):
        read_rows(Source(path="a.parquet"), tmp_path, ("a", "blob"))


def test_classes_come_by_name_and_words_of_a_dictionary_as_texts(tmp_path: Path) -> None:
    kinds = datasets.Features({"label": datasets.ClassLabel(names=["no", "yes"])})
    labelled = datasets.Dataset.from_dict({"label": [1, None, 0]}, features=kinds)
    labelled.to_parquet(tmp_path / "classes.parquet")
    found, _ = read_rows(Source(path="classes.parquet"), tmp_path, ("label",))
    assert [row["label"] for row in found] == ["yes", None, "no"]
    pq.write_table(pa.table({"label": pa.array(["b", "a", "b"]).dictionary_encode()}), tmp_path / "words.parquet")
    found, _ = read_rows(Source(path="words.parquet"), tmp_path, ("label",))
    assert [row["label"] for row in found] == ["b", "a", "b"]


def test_two_columns_of_one_name(tmp_path: Path) -> None:
    pq.write_table(pa.table([["x"], ["y"]], names=["a", "a"]), tmp_path / "a.parquet")
    with pytest.raises(InputError, match="a.parquet cannot be read: two of its columns have one name"):
        read_rows(Source(path="a.parquet"), tmp_path, ("a",))


def test_a_damaged_row_group(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"a": [f"text {n}" for n in range(100)]}), path, row_group_size=50, use_dictionary=False)
    second = pq.read_metadata(path).row_group(1).column(0)
    content = bytearray(path.read_bytes())
    content[second.data_page_offset : second.data_page_offset + second.total_compressed_size] = bytes(
        second.total_compressed_size
    )
    path.write_bytes(content)
    parts, _ = row_parts(Source(path=str(path)), tmp_path, ("a",))
    assert next(parts) == [{"a": "text 0"}, {"a": "text 1"}]
    with pytest.raises(InputError, match="a.parquet cannot be read: "):
        list(parts)
