from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from export.graphs.node_times import pooling_nodes, pooling_share
from export.serve.session import OnnxEncoder
from tests.export.conftest import TEXTS


def heavy_pooling(path: Path, width: int) -> Path:
    """Token states that are their own ids, and a pooling that multiplies them by a square matrix of `width`."""
    edges = ["batch", "length"]
    inputs = [helper.make_tensor_value_info(name, TensorProto.INT64, edges) for name in ("input_ids", "attention_mask")]
    outputs = [
        helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, [*edges, 1]),
        helper.make_tensor_value_info("sentence_embedding", TensorProto.FLOAT, ["batch", width]),
    ]
    nodes = [
        helper.make_node("Add", ["input_ids", "attention_mask"], ["sum"], name="sum"),
        helper.make_node("Cast", ["sum"], ["states"], name="states", to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["states", "last"], ["last_hidden_state"], name="unsqueeze"),
        helper.make_node("ReduceMean", ["last_hidden_state"], ["mean"], name="mean", axes=[1], keepdims=0),
        helper.make_node("MatMul", ["mean", "row"], ["wide"], name="wide"),
        helper.make_node("MatMul", ["wide", "square"], ["sentence_embedding"], name="square"),
    ]
    weights = {
        "last": np.array([2], np.int64), "row": np.ones((1, width), np.float32),
        "square": np.ones((width, width), np.float32),
    }  # fmt: skip
    stored = [onnx.numpy_helper.from_array(weight, name) for name, weight in weights.items()]
    graph = helper.make_graph(nodes, "heavy", inputs, outputs, stored)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def test_nodes_that_the_token_states_do_not_need_pool_and_so_does_the_cut(graph: Path) -> None:
    model = onnx.load(graph).graph
    pooling = pooling_nodes(model)
    (cut,) = [node for node in model.node if "last_hidden_state" in node.output]
    assert cut.op_type == "Slice"
    assert cut.name in pooling
    made = {output: node.name for node in model.node for output in node.output}
    assert made[cut.input[0]] not in pooling
    assert made["sentence_embedding"] in pooling
    assert not any("/encoder/" in name for name in pooling)


def test_the_share_follows_the_work(graph: Path, artifact: Path, tmp_path: Path) -> None:
    served = OnnxEncoder(artifact, threads=1)
    feeds = [served.feed([ids]) for ids in served.tokenize(TEXTS[:4])]
    small = pooling_share(graph, feeds, threads=1)
    assert 0 < small < 0.6
    assert pooling_share(heavy_pooling(tmp_path / "heavy.onnx", 1500), feeds, threads=1) > 0.8
    assert [path.name for path in tmp_path.iterdir()] == ["heavy.onnx"]


def test_without_a_feed_there_is_nothing_to_time(graph: Path) -> None:
    with pytest.raises(ValueError, match="at least one feed"):
        pooling_share(graph, [])
