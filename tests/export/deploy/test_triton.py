from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from decant.errors import GateError
from export.deploy.rules import Edge, hold
from export.deploy.triton import model_config, read_pbtxt, triton_rules

IDS, MASK = Edge("input_ids", "int64", (-1, -1)), Edge("attention_mask", "int64", (-1, -1))
VECTOR = Edge("sentence_embedding", "float32", (-1, 24))
CONFIG = """name: "encoder"
backend: "onnxruntime"
max_batch_size: 64
input [
  { name: "input_ids" data_type: TYPE_INT64 dims: [ -1 ] },
  { name: "attention_mask" data_type: TYPE_INT64 dims: [ -1 ] }
]
output [
  { name: "sentence_embedding" data_type: TYPE_FP32 dims: [ 24 ] }
]
dynamic_batching { }
"""


@pytest.fixture
def model(graph: Path, tmp_path: Path) -> Path:
    """One model's folder of a repository."""
    folder = tmp_path / "encoder"
    (folder / "1").mkdir(parents=True)
    shutil.copyfile(graph, folder / "1" / "model.onnx")
    (folder / "config.pbtxt").write_text(CONFIG)
    return folder


def test_config_is_what_triton_reads() -> None:
    assert model_config("encoder", [IDS, MASK], [VECTOR], batches=True) == CONFIG
    assert model_config("encoder", [IDS, MASK], [VECTOR], batches=False) == CONFIG.replace("dynamic_batching { }\n", "")


def test_text_format_is_read() -> None:
    text = 'name:"a"  # the name\nmax_batch_size: 0 input { dims: -1 dims: 3 } input [ { dims: [ 2, 4 ] } ] on: true'
    assert read_pbtxt(text) == {
        "name": ["a"], "max_batch_size": [0], "on": ["true"],
        "input": [{"dims": [-1, 3]}, {"dims": [2, 4]}],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a { b: 1", "too few"), ("a: 1 }", "too many"), ("a: ]", "where a value belongs"), ("a: 'x'", "is no part of"),
    ],
)  # fmt: skip
def test_what_is_not_text_format_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_pbtxt(text)


def test_the_config_of_this_graph_holds(model: Path) -> None:
    assert hold("Triton", triton_rules(model)) == 6


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"encoder"', '"other"', "named as its folder"),
        ("onnxruntime", "tensorrt", "the backend is onnxruntime"),
        ("max_batch_size: 64", "max_batch_size: 0", "1 text or more"),
        ("max_batch_size: 64\n", "", "1 text or more"),
        ('"input_ids"', '"ids"', "the inputs are the graph's"),
        ("TYPE_INT64 dims: [ -1 ] }\n", "TYPE_INT32 dims: [ -1 ] }\n", "the inputs are the graph's"),
        ("dims: [ 24 ]", "dims: [ 32 ]", "the outputs are the graph's"),
        ('"sentence_embedding"', '"embedding"', "the outputs are the graph's"),
        ("TYPE_FP32", "TYPE_FP16", "the outputs are the graph's"),
    ],
)
def test_a_config_that_is_not_the_graphs_is_found(model: Path, old: str, new: str, message: str) -> None:
    assert old in CONFIG
    (model / "config.pbtxt").write_text(CONFIG.replace(old, new))
    with pytest.raises(GateError, match=f"Triton would not serve this folder: it asks that .*{message}"):
        hold("Triton", triton_rules(model))
