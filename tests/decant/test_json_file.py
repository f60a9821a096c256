from pathlib import Path

import pytest

from decant.errors import InputError
from decant.json_file import read_object, whole_number


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
