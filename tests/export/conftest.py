"""One exported tiny encoder, shared: an export takes longer than most tests."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest

from decant.models.encoder import SentenceEncoder
from export.artifact.bundle import ArtifactFacts, write_artifact
from export.graphs.to_onnx import export_encoder
from export.quantize.dynamic_quantize import quantize_dynamic
from tests.tiny_models import tiny_encoder

TEXTS = [
    "A man is playing a guitar on the street.",
    "",
    "Two dogs run in the park, near the river!",
    "naïve café ☕ 距離と意味",
    "word " * 300,
    "a",
    "<script>alert(1)</script> \t\n  x",
]


@pytest.fixture(scope="session")
def encoder() -> SentenceEncoder:
    """A tiny BERT whose vectors are cut to 24 of 32 dimensions, and its texts at 64 tokens."""
    return tiny_encoder("bert", dim=24, max_length=64)


@pytest.fixture
def graph_without_weights(tmp_path: Path) -> Path:
    """A graph that no quantizer finds anything in."""
    edges = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [2]) for name in ("x", "y")]
    node = onnx.helper.make_node("Relu", ["x"], ["y"])
    model = onnx.helper.make_model(onnx.helper.make_graph([node], "empty", edges[:1], edges[1:]))
    onnx.save(model, tmp_path / "relu.onnx")
    return tmp_path / "relu.onnx"


@pytest.fixture(scope="session")
def graph(encoder: SentenceEncoder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The encoder's float32 graph."""
    path = tmp_path_factory.mktemp("graph") / "model.onnx"
    export_encoder(encoder, path)
    return path


@pytest.fixture(scope="session")
def int8_graph(graph: Path) -> Path:
    """The encoder's int8 graph."""
    path = graph.with_name("int8.onnx")
    quantize_dynamic(graph, path)
    return path


@pytest.fixture(scope="session")
def artifact(encoder: SentenceEncoder, graph: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The encoder's artifact folder, for tests that only read."""
    folder = tmp_path_factory.mktemp("artifacts") / "L4xD24-fp32"
    write_artifact(folder, encoder, graph, ArtifactFacts("L4xD24-fp32", "fp32", "# Tiny\n"))
    return folder
