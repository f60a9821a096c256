from __future__ import annotations

from pathlib import Path

import onnx
import pytest

from decant.errors import InputError
from export.graphs.graph_file import load_graph, rewritten


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


def _break(source: Path, target: Path) -> None:
    with rewritten(source, target) as model:
        model.graph.node[-1].op_type = "Gone"


def test_a_graph_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.onnx is missing; export the encoder first"):
        load_graph(tmp_path / "none.onnx")
    (tmp_path / "text.onnx").write_text("not a graph")
    with pytest.raises(InputError, match=r"text\.onnx cannot be read as an ONNX graph"):
        load_graph(tmp_path / "text.onnx")
