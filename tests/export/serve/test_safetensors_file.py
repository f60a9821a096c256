"""Our own reader of safetensors files gives what the format's own package gives, and refuses what it must."""

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from decant.errors import InputError
from export.serve.safetensors_file import read_tensors


def spoiled(path: Path, header: object, data: bytes = bytes(16)) -> Path:
    content = json.dumps(header).encode() if not isinstance(header, bytes) else header
    path.write_bytes(len(content).to_bytes(8, "little") + content + data)
    return path


def entry(dtype: object = "F32", shape: object = (2, 2), offsets: object = (0, 16)) -> dict[str, object]:
    return {"embeddings": {"dtype": dtype, "shape": shape, "data_offsets": offsets}}


def test_tensors_are_those_of_the_package(tmp_path: Path) -> None:
    make = np.random.default_rng(0)
    tensors = {
        "embeddings": make.integers(-127, 127, (5, 3)).astype(np.int8), "weights": make.random(5, np.float32),
        "scales": make.random((5, 7)).astype(np.float16), "packed": make.integers(0, 255, (1, 1)).astype(np.uint8),
    }  # fmt: skip
    save_file(tensors, tmp_path / "all.safetensors", {"format": "np"})
    found, theirs = read_tensors(tmp_path / "all.safetensors"), load_file(tmp_path / "all.safetensors")
    assert found.keys() == theirs.keys()
    for name, tensor in theirs.items():
        assert (found[name] == tensor).all()
        assert found[name].dtype == tensor.dtype
        assert not found[name].flags.writeable


@pytest.mark.parametrize(
    "header",
    [
        entry(), entry() | {"__metadata__": {"format": "pt"}}, entry("F16", (8,)), entry("I8", (1, 0), (3, 3)),
    ],
)  # fmt: skip
def test_sound_headers_are_read(header: dict[str, object], tmp_path: Path) -> None:
    assert read_tensors(spoiled(tmp_path / "a", header)).keys() == {"embeddings"}


@pytest.mark.parametrize(
    "header",
    [
        b"", b"{", b"[]", b"[1]", b"7", b"\xff\xfe", b"[" * 100_000, {"embeddings": []}, {"embeddings": None},
        entry("BF16"), entry([]), entry("F32", (2, 3)), entry("F32", (-2, -2)), entry("F32", ("2", 2)),
        entry("F32", 4), entry("F32", (2.0, 2)), entry("F32", (2, 2), (0, 17)), entry("F32", (2, 2), (8, 24)),
        entry("F32", (2, 2), (16, 0)), entry("F32", (2, 2), (0,)), entry("F32", (2, 2), None),
    ],
)  # fmt: skip
def test_what_is_no_such_file_is_refused(header: object, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no safetensors file"):
        read_tensors(spoiled(tmp_path / "a", header))


@pytest.mark.parametrize("content", [b"", b"abc", (2**63).to_bytes(8, "little") + b"{}", (9).to_bytes(8, "little")])
def test_what_is_cut_off_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(InputError, match="cut off|cannot be read"):
        read_tensors(tmp_path / "a")
    with pytest.raises(InputError, match="missing"):
        read_tensors(tmp_path / "b")
