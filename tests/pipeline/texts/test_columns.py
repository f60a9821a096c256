"""The columns of every kind of file, before a row is read."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from decant.errors import InputError
from pipeline.texts.columns import column_names


def test_columns_of_every_kind(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text("one\ttwo, three\nx\ty\n")
    (tmp_path / "a.csv").write_text('one,"two, three"\nx,y\n')
    (tmp_path / "a.jsonl").write_text('\n{"one": 1, "two, three": 2}\n')
    pq.write_table(pa.table({"one": [1], "two, three": [2]}), tmp_path / "a.parquet")
    for ending in ("tsv", "csv", "jsonl", "parquet"):
        assert column_names(tmp_path / f"a.{ending}") == ["one", "two, three"]
    (tmp_path / "a.txt").write_text("a text\n")
    assert column_names(tmp_path / "a.txt") == ["text"]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", b"", "is empty; a header line and rows are needed"),
        ("a.txt", b"\n", "is empty; a text a line is needed"),
        ("a.tsv", b"a\0b", "is a binary file, not text"),
        ("a.xlsx", b"PK", "cannot read '.xlsx'; give one of .tsv, .csv, .jsonl, .parquet, .txt"),
        ("a.jsonl", b"[1]\n", "row 1 is not a JSON object"),
    ],
)
def test_what_has_none(name: str, content: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=said):
        column_names(tmp_path / name)
