from __future__ import annotations

from pathlib import Path

import onnx
import pytest

from decant.errors import InputError
from export.graphs.graph_file import load_graph, rewritten, written_whole


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


def test_a_rewritten_graph_is_checked_and_its_errors_name_the_source(graph: Path, tmp_path: Path) -> None:
    before = graph.read_bytes()
    with rewritten(graph, tmp_path / "same.onnx"):
        pass
    assert onnx.load(tmp_path / "same.onnx") == onnx.load(graph)
    with pytest.raises(InputError, match=r"model\.onnx: of this kind"), rewritten(graph, tmp_path / "x.onnx"):
        raise InputError("of this kind")
    with pytest.raises(onnx.checker.ValidationError, match="No Op registered for Gone"):
        _break(graph, tmp_path / "x.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["same.onnx"]
    assert graph.read_bytes() == before


def _write_half(target: Path) -> None:
    with written_whole(target) as written:
        written.write_bytes(b"ne")
        raise RuntimeError("halfway")


def _break(source: Path, target: Path) -> None:
    with rewritten(source, target) as model:
        model.graph.node[-1].op_type = "Gone"


def test_a_graph_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.onnx is missing; export the encoder first"):
        load_graph(tmp_path / "none.onnx")
    (tmp_path / "text.onnx").write_text("not a graph")
    with pytest.raises(InputError, match=r"text\.onnx cannot be read as an ONNX graph"):
        load_graph(tmp_path / "text.onnx")
