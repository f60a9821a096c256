import hashlib
import os
from pathlib import Path

import pytest

from pipeline.snapshot import (
    changed_file,
    code_digest,
    parse_snapshot,
    read_snapshot,
    take_snapshot,
    write_snapshot,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "data"
    (root / "inside").mkdir(parents=True)
    (root / "a.tsv").write_text("a", encoding="utf-8")
    (root / "inside" / "b.tsv").write_text("b", encoding="utf-8")
    return root


def test_files_are_known_by_content(folder: Path, tmp_path: Path) -> None:
    taken = take_snapshot([folder, folder / "a.tsv"])
    assert set(taken) == {str(folder), str(folder / "a.tsv")}
    assert set(taken[str(folder)]) == {"a.tsv", "inside/b.tsv"}
    assert taken[str(folder / "a.tsv")][""].sha256 == hashlib.sha256(b"a").hexdigest()
    write_snapshot(taken, tmp_path / "inputs.json")
    assert read_snapshot(tmp_path / "inputs.json") == taken
    assert changed_file(taken) is None


@pytest.mark.parametrize("change", ["content", "new", "gone", "root gone"])
def test_what_changed_is_named(folder: Path, change: str) -> None:
    taken = take_snapshot([folder])
    path = folder / ("c.tsv" if change == "new" else "a.tsv")
    if change == "content" or change == "new":
        path.write_text("other", encoding="utf-8")
    elif change == "gone":
        path.unlink()
    else:
        folder.rename(folder.with_name("moved"))
    assert changed_file(taken) == str(path)


def test_a_file_that_was_only_touched_is_the_same(folder: Path) -> None:
    taken = take_snapshot([folder])
    os.utime(folder / "a.tsv", (1, 1))
    assert changed_file(taken) is None


def test_a_file_of_known_size_and_time_is_not_read_again(folder: Path) -> None:
    taken = take_snapshot([folder])
    path = folder / "a.tsv"
    stat = path.stat()
    path.write_text("z", encoding="utf-8")
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert take_snapshot([folder], taken) == taken
    assert take_snapshot([folder]) != taken


@pytest.mark.parametrize(
    "content",
    [
        "[]", "{", '{"a": 1}', '{"a": {"b": [1]}}', '{"a": {"b": [1, 2, 3, 4]', "[" * 100_000,
        '{"a": {"b": [1e999, 2, "c"]}}',
    ],
    ids=range(7),
)  # fmt: skip
def test_what_is_no_snapshot_is_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "inputs.json").write_text(content, encoding="utf-8")
    assert read_snapshot(tmp_path / "inputs.json") is None
    assert read_snapshot(tmp_path / "absent.json") is None


def test_a_snapshot_must_be_a_mapping() -> None:
    with pytest.raises(ValueError, match="a snapshot is a mapping"):
        parse_snapshot(None)


def test_the_code_has_one_digest() -> None:
    assert code_digest() == code_digest()
    assert len(code_digest()) == 64
