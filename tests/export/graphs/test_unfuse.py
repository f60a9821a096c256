from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from decant.errors import InputError
from decant.models.encoder import SentenceEncoder
from export.graphs.unfuse import CONTRIB, unfuse
from export.quantize.row_quantize import quantize_rows
from export.serve.session import open_session
from tests.export.graphs.test_to_onnx import random_feed, torch_outputs


@pytest.fixture(scope="module")
def fused(graph: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shared encoder's graph, fused as far as onnxruntime can."""
    from onnxruntime.transformers import optimizer

    model = optimizer.optimize_model(str(graph), model_type="bert", num_heads=4, hidden_size=32, opt_level=0)
    found = model.get_fused_operator_statistics()
    assert found["Attention"] == 4
    assert found["EmbedLayerNormalization"] == 1
    path = tmp_path_factory.mktemp("fused") / "model.onnx"
    model.save_model_to_file(str(path))
    return path


def test_the_unfused_graph_gives_the_same_vectors(fused: Path, encoder: SentenceEncoder, tmp_path: Path) -> None:
    model = onnx.load(fused)
    unfuse(model)
    onnx.save(model, tmp_path / "model.onnx")
    found = Counter(node.op_type for node in model.graph.node)
    assert (found["MultiHeadAttention"], found["MatMul"]) == (4, 4 * 6)
    assert not {"Attention", "EmbedLayerNormalization"} & set(found)
    session = open_session(tmp_path / "model.onnx", threads=1)
    for batch, length in ((1, 3), (5, 40)):
        feed = random_feed(batch, length, len(encoder.tokenizer))
        vectors = session.run(["sentence_embedding"], feed)[0]
        assert (vectors * torch_outputs(encoder, feed)[1]).sum(axis=1).min() >= 0.99999


def test_a_fused_graph_is_quantized_like_a_plain_one(graph: Path, fused: Path, tmp_path: Path) -> None:
    feed, vectors = random_feed(5, 40, 180), []
    for name, source in (("plain", graph), ("fused", fused)):
        quantize_rows(source, tmp_path / f"{name}.onnx")
        vectors.append(open_session(tmp_path / f"{name}.onnx", threads=1).run(["sentence_embedding"], feed)[0])
    assert (vectors[0] * vectors[1]).sum(axis=1).min() >= 0.9999
    found = Counter(node.op_type for node in onnx.load(tmp_path / "fused.onnx").graph.node)
    assert (found["QuantizeLinear"], found["MatMulInteger"], found["MultiHeadAttention"]) == (4 * 4, 4 * 6, 4)


def test_positions_are_counted_where_none_are_given(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    shapes = {"words": (7, 8), "positions": (6, 8), "types": (2, 8), "gain": (8,), "shift": (8,)}
    stored = {name: generator.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}
    inputs = ["ids", "", "words", "positions", "", "gain", "shift"]
    node = helper.make_node("EmbedLayerNormalization", inputs, ["y", "lengths"], domain=CONTRIB, epsilon=1e-6)
    edges = [
        helper.make_tensor_value_info("ids", TensorProto.INT32, ["batch", "length"]),
        helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", "length", 8]),
    ]
    weights = [numpy_helper.from_array(values, name) for name, values in stored.items() if name != "types"]
    domains = [helper.make_opsetid("", 17), helper.make_opsetid(CONTRIB, 1)]
    model = helper.make_model(helper.make_graph([node], "embed", edges[:1], edges[1:], weights), opset_imports=domains)
    model.ir_version = 8
    unfuse(model)
    onnx.save(model, tmp_path / "model.onnx")
    ids = np.array([[3, 1, 6], [0, 2, 2]], np.int32)
    summed = stored["words"][ids] + stored["positions"][:3]
    centred = summed - summed.mean(axis=-1, keepdims=True)
    expected = centred / np.sqrt(summed.var(axis=-1, keepdims=True) + 1e-6) * stored["gain"] + stored["shift"]
    answer = open_session(tmp_path / "model.onnx", threads=1).run(["y"], {"ids": ids})[0]
    np.testing.assert_allclose(answer, expected, atol=1e-5)


def test_a_graph_without_such_nodes_stays(graph: Path) -> None:
    model = onnx.load(graph)
    unfuse(model)
    assert model == onnx.load(graph)


def test_attention_of_a_decoder_is_refused(fused: Path) -> None:
    model = onnx.load(fused)
    node = next(one for one in model.graph.node if one.op_type == "Attention")
    node.input.extend(["", "past"][len(node.input) - 3 :])
    node.name = "first"
    with pytest.raises(InputError, match="the node 'first' is not the Attention of an encoder; export the model again"):
        unfuse(model)


def test_lengths_that_something_else_reads_are_refused(fused: Path) -> None:
    model = onnx.load(fused)
    lengths = next(one for one in model.graph.node if one.op_type == "EmbedLayerNormalization").output[1]
    model.graph.node.append(helper.make_node("Identity", [lengths], ["more"]))
    with pytest.raises(InputError, match="something other than attention reads the lengths"):
        unfuse(model)
