"""Objects and texts a line come in parts; a bad line is told by its number when it is reached."""

from pathlib import Path

import pytest

from decant.errors import InputError
from pipeline.texts import lines
from pipeline.texts.lines import line_parts, object_parts, read_names
from pipeline.texts.source import Source, read_rows, row_parts


@pytest.fixture(autouse=True)
def two_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "ROWS_AT_ONCE", 2)


def written(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_some_objects_at_a_time(tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl", '\n{"a": "x", "b": [1, null]}\n\n{"a": null}\n{"b": 1.50, "c": 1}')
    assert read_names(path) == ["a", "b"]
    assert list(object_parts(path, ["b", "a", "a"])) == [
        [["[1, None]", None], ["x", None], ["x", None]],
        [["1.5"], [None], [None]],
    ]


def test_some_texts_at_a_time(tmp_path: Path) -> None:
    path = written(tmp_path / "a.txt", b"\xef\xbb\xbfa \r\n\n\xffb\nc")
    assert list(line_parts(path, ["text"])) == [[["a ", ""]], [["\ufffdb", "c"]]]


def test_no_object(tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl", "\n \n")
    assert (read_names(path), list(object_parts(path, ["a"]))) == ([], [])


@pytest.mark.parametrize(
    ("line", "said"), [("{", r"a\.jsonl, row 3 is not JSON: .*"), ("[1]", "a.jsonl, row 3 is not a JSON")]
)
def test_a_bad_line_in_a_later_part(line: str, said: str, tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl", f'{{"a": 1}}\n\n{{"a": 2}}\n{line}\n{{"a": 3}}\n')
    parts, _ = row_parts(Source(path=str(path)), tmp_path, ("a",))
    assert next(parts) == [{"a": "1"}, {"a": "2"}]
    with pytest.raises(InputError, match=said):
        list(parts)
    with pytest.raises(InputError, match=said):
        read_rows(Source(path=str(path)), tmp_path, ("a",))
