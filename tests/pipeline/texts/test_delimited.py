"""Tables come in parts, and as they come whole; what is wrong is told with its line, whichever part it is in."""

from pathlib import Path

import pytest

from decant.errors import InputError
from pipeline.texts import delimited
from pipeline.texts.delimited import column_parts, read_header
from pipeline.texts.source import Source, read_rows, row_parts


@pytest.fixture(autouse=True)
def two_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delimited, "ROWS_AT_ONCE", 2)


def written(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_some_rows_at_a_time(tmp_path: Path) -> None:
    path = written(tmp_path / "a.tsv", 'one\ttwo\n"a\tb\n\n\nc"\td\r\nNA\t\ne\nnan\t#\n')
    assert read_header(path) == (["one", "two"], True)
    assert list(column_parts(path, ["one", "two"], ["two", "one"])) == [
        [["b", "d"], ['"a', 'c"']],
        [["", ""], ["NA", "e"]],
        [["#"], ["nan"]],
    ]


def test_quotes_of_a_csv_file(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", '\ufeffone,two\n"a, ""b""\nc",d\n\'e,\'\n"",f\n')
    assert read_header(path) == (["one", "two"], True)
    assert list(column_parts(path, ["one", "two"], ["one", "two"])) == [
        [['a, "b"\nc', "'e"], ["d", "'"]],
        [[""], ["f"]],
    ]


def test_what_is_not_utf_8_gets_its_sign(tmp_path: Path) -> None:
    path = written(tmp_path / "a.tsv", b"one\n\xff\xc3\xa9\n\xe2\x82\n")
    assert list(column_parts(path, ["one"], ["one"])) == [[["\ufffd\u00e9", "\ufffd"]]]


def test_no_row(tmp_path: Path) -> None:
    assert read_header(written(tmp_path / "a.tsv", "one\ttwo\n\n")) == (["one", "two"], False)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("f,g,h\n", r"a\.csv cannot be read: row 5 has 3 cells, but the header names 2; take"),
        ('"f,g\n', "row 5 opens a quote that is never closed"),
    ],
)
def test_a_bad_row_in_a_later_part(content: str, said: str, tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", "one,two\na,b\nc,d\n1,2\n3,4\n" + content)
    parts, _ = row_parts(Source(path=str(path)), tmp_path, ("one", "two"))
    assert next(parts) == [{"one": "a", "two": "b"}, {"one": "c", "two": "d"}]
    with pytest.raises(InputError, match=said):
        list(parts)
    with pytest.raises(InputError, match=said):
        read_rows(Source(path=str(path)), tmp_path, ("one", "two"))
