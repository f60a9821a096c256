from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from decant.errors import InputError
from decant.files import read_object, sha256_of, whole_number, write_json, written_whole


def test_what_is_written_stands_whole_beside_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "model.onnx"
    with written_whole(target) as written:
        written.write_bytes(b"new")
        assert not target.exists()
    assert target.read_bytes() == b"new"
    with written_whole(target) as written:
        written.write_bytes(b"newer")
        assert target.read_bytes() == b"new"
    assert target.read_bytes() == b"newer"
    assert list(target.parent.iterdir()) == [target]


def test_an_error_leaves_what_was_there(tmp_path: Path) -> None:
    target = tmp_path / "model.onnx"
    target.write_bytes(b"old")
    with pytest.raises(RuntimeError, match="halfway"):
        _write_half(target)
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_folder_takes_the_place_of_another(tmp_path: Path) -> None:
    target = tmp_path / "model"
    for content in ("old", "new"):
        with written_whole(target) as written:
            written.mkdir()
            (written / f"{content}.txt").write_text(content)
    assert [path.name for path in target.iterdir()] == ["new.txt"]
    with pytest.raises(RuntimeError, match="halfway"):
        _make_half(target)
    assert [path.name for path in target.iterdir()] == ["new.txt"]
    assert list(tmp_path.iterdir()) == [target]


def test_what_a_killed_process_left_is_removed_and_a_folder_that_it_moved_comes_back(tmp_path: Path) -> None:
    scratch = tmp_path / ".model.new"
    (scratch / "model.old").mkdir(parents=True)
    (scratch / "model.old" / "kept.txt").write_text("kept")
    (scratch / "model").mkdir()
    with pytest.raises(RuntimeError, match="halfway"):
        _make_half(tmp_path / "model")
    assert (tmp_path / "model" / "kept.txt").read_text() == "kept"
    (tmp_path / ".note.new").write_text("of an earlier version")
    with written_whole(tmp_path / "note", on_disk=True) as written:
        written.write_text("whole")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model", "note"]


def test_a_file_does_not_take_the_place_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    with pytest.raises(IsADirectoryError), written_whole(tmp_path / "model") as written:  # noqa: PT011
        written.write_text("a file")
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_where_it_stands_is_what_a_path_meant_at_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with written_whole(Path("note")) as written:
        os.chdir("/")
        written.write_text("here")
    assert (tmp_path / "note").read_text() == "here"


def test_json_as_each_reader_wants_it(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "facts.json"
    write_json(path, {"b": "ü", "a": 1})
    assert path.read_bytes() == '{\n  "b": "ü",\n  "a": 1\n}\n'.encode()
    write_json(path, {"b": "ü", "a": 1}, indent=None, sort_keys=True, ascii_only=True)
    assert path.read_bytes() == b'{"a": 1, "b": "\\u00fc"}\n'
    assert sha256_of(path) == hashlib.sha256(path.read_bytes()).hexdigest()


def _make_half(target: Path) -> None:
    with written_whole(target) as written:
        written.mkdir()
        raise RuntimeError("halfway")


def _write_half(target: Path) -> None:
    with written_whole(target) as written:
        written.write_bytes(b"ne")
        raise RuntimeError("halfway")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"{", "is not JSON"),
        (b"\xff", "is not JSON"),
        (b'{"a":' * 100_000, "is not JSON"),
        (b'{"a": ' + b"9" * 5000 + b"}", "is not JSON"),
        (b"[]", "holds no JSON object, but list"),
        (b"null", "holds no JSON object, but NoneType"),
    ],
)
def test_what_is_no_object(content: bytes, expected: str, tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match=expected):
        read_object(path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read: No such file"):
        read_object(tmp_path / "config.json")


@pytest.mark.parametrize("value", ["x", [], True, 0, -1, float("nan"), float("inf")])
def test_what_is_no_count(value: object) -> None:
    with pytest.raises(InputError, match="config.json: layers .* is no number of 1 or more"):
        whole_number(Path("config.json"), {"layers": value}, "layers")


def test_counts() -> None:
    assert whole_number(Path("config.json"), {"layers": 3}, "layers") == 3
    assert whole_number(Path("config.json"), {"layers": 3.0}, "layers") == 3
    assert whole_number(Path("config.json"), {"layers": None}, "layers") is None
    assert whole_number(Path("config.json"), {}, "layers") is None
