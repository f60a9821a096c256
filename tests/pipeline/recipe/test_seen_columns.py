"""What is noted of a column, by hand-made files."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.recipe import seen_columns
from pipeline.recipe.seen_columns import look_at

ROWS = "id,text,score,class\n1,one two,0.5,a\n2, three ,1,b\n3,,2.5,a\n4,four five six,,b\n"


def test_cells_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(ROWS)
    number, text, score, kind = look_at(path)
    assert (number.filled, number.is_whole, number.is_name) == (4, True, False)
    assert (text.filled, text.empty, text.characters, text.spaced) == (3, 1, 7 + 5 + 13, 2)
    assert not text.is_number
    assert (score.filled, score.empty, score.is_number, score.is_whole) == (3, 1, True, False)
    assert score.values == {"0.5", "1", "2.5"}
    assert kind.is_name


def test_only_so_many_rows_are_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.texts.delimited.ROWS_AT_ONCE", 2)
    monkeypatch.setattr(seen_columns, "MOST_ROWS", 2)
    path = tmp_path / "a.csv"
    path.write_text(ROWS)
    assert [column.filled + column.empty for column in look_at(path)] == [2] * 4
