from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnxruntime import InferenceSession

from decant.errors import InputError
from decant.models.encoder import SentenceEncoder
from export.graphs.to_onnx import export_encoder
from export.quantize.quantize_settings import RowQuantizeSettings
from export.quantize.row_quantize import quantize_rows
from export.serve.session import open_session
from tests.export.graphs.test_to_onnx import random_feed, torch_outputs
from tests.export.quantize.test_dynamic_quantize import weight_types
from tests.tiny_models import BACKBONES, tiny_encoder

Feed = dict[str, NDArray[np.int64]]


@pytest.fixture(scope="module")
def rows_graph(graph: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shared encoder's graph with a scale a row."""
    target = tmp_path_factory.mktemp("rows") / "model.onnx"
    quantize_rows(graph, target)
    return target


def operators(path: Path) -> Counter[str]:
    return Counter(node.op_type for node in onnx.load(path).graph.node)


def alone(feed: Feed, row: int) -> Feed:
    length = int(feed["attention_mask"][row].sum())
    return {name: ids[row : row + 1, :length] for name, ids in feed.items()}


def padded(feed: Feed, length: int) -> Feed:
    widths = {"input_ids": 1, "attention_mask": 0}
    return {
        name: np.pad(ids, ((0, 0), (0, length - ids.shape[1])), constant_values=widths[name])
        for name, ids in feed.items()
    }


def check_same_in_every_batch(session: InferenceSession, feed: Feed, vectors: NDArray[np.float32]) -> None:
    """Each text of the feed has the same vector alone and padded."""
    for row in range(len(vectors)):
        single = session.run(["sentence_embedding"], alone(feed, row))[0]
        widened = session.run(["sentence_embedding"], padded(alone(feed, row), 96))[0]
        assert (single * vectors[row : row + 1]).sum() >= 1 - 1e-6
        assert (single * widened).sum() >= 1 - 1e-6


@pytest.mark.parametrize("kind", BACKBONES)
def test_every_family_is_close_small_and_the_same_in_every_batch(kind: str, tmp_path: Path) -> None:
    encoder = tiny_encoder(kind)
    source, target = tmp_path / "fp32.onnx", tmp_path / "deep" / "rows.onnx"
    export_encoder(encoder, source)
    before = source.read_bytes()
    quantize_rows(source, target)
    assert source.read_bytes() == before
    assert [path.name for path in target.parent.iterdir()] == ["rows.onnx"]
    assert sum(weight_types(target).values()) < 0.6 * sum(weight_types(source).values())
    session = open_session(target, threads=1)
    feed = random_feed(6, 40, len(encoder.tokenizer))
    vectors = session.run(["sentence_embedding"], feed)[0]
    assert (vectors * torch_outputs(encoder, feed)[1]).sum(axis=1).min() >= 0.99
    check_same_in_every_batch(session, feed, vectors)


def test_token_states_are_close_too(rows_graph: Path, encoder: SentenceEncoder) -> None:
    feed = random_feed(5, 40, len(encoder.tokenizer))
    states = open_session(rows_graph, threads=1).run(["last_hidden_state"], feed)[0]
    expected = torch_outputs(encoder, feed)[0]
    tokens = feed["attention_mask"] == 1
    assert states.shape == expected.shape
    cosines = (states * expected).sum(axis=-1) / np.linalg.norm(states, axis=-1) / np.linalg.norm(expected, axis=-1)
    assert cosines[tokens].min() >= 0.98


def test_query_key_and_value_share_one_quantization(graph: Path, rows_graph: Path) -> None:
    before, after = operators(graph), operators(rows_graph)
    assert after["QuantizeLinear"] == after["ReduceMax"] == 4 * 4  # states, context, and both of the feed-forward
    assert after["MatMulInteger"] == after["DequantizeLinear"] == 4 * 6
    assert after["MatMul"] == before["MatMul"] - 4 * 6
    assert after["Add"] == before["Add"]  # a bias each, as before
    # One Reshape to rows for the first states and for each context, one back for the last states.
    assert after["Reshape"] == before["Reshape"] + 1 + 4 + 1


def test_only_standard_operators(rows_graph: Path) -> None:
    model = onnx.load(rows_graph)
    assert {node.domain for node in model.graph.node} == {""}
    onnx.checker.check_model(model, full_check=True)


def test_edges_and_metadata_stay(graph: Path, rows_graph: Path) -> None:
    before, after = onnx.load(graph), onnx.load(rows_graph)
    assert list(after.graph.input) == list(before.graph.input)
    assert list(after.graph.output) == list(before.graph.output)
    assert list(after.metadata_props) == list(before.metadata_props)


def test_weights_are_integers_and_read(rows_graph: Path, graph: Path) -> None:
    model = onnx.load(rows_graph)
    read = {name for node in model.graph.node for name in node.input}
    assert [weight.name for weight in model.graph.initializer if weight.name not in read] == []
    matrices = [tuple(one.dims) for one in onnx.load(graph).graph.initializer if len(one.dims) == 2]
    whole = [one for one in model.graph.initializer if one.data_type == onnx.TensorProto.INT8]
    assert sorted(tuple(one.dims) for one in whole) == sorted(matrices)


def test_seven_bits_and_tables_are_settings(graph: Path, tmp_path: Path) -> None:
    for seven, largest in ((True, 64), (False, 127)):
        quantize_rows(graph, tmp_path / "model.onnx", RowQuantizeSettings(seven_bits=seven, tables="fp32"))
        stored = onnx.load(tmp_path / "model.onnx").graph.initializer
        weights = [onnx.numpy_helper.to_array(one) for one in stored if one.data_type == onnx.TensorProto.INT8]
        assert len(weights) == 4 * 6
        assert max(int(np.abs(weight.astype(np.int32)).max()) for weight in weights) == largest


def test_tables_in_4_bits_are_half_as_large_and_stay_standard(
    graph: Path, tmp_path: Path, encoder: SentenceEncoder
) -> None:
    quantize_rows(graph, tmp_path / "model.onnx", RowQuantizeSettings(tables="int4"))
    model = onnx.load(tmp_path / "model.onnx")
    assert {node.domain for node in model.graph.node} == {""}
    onnx.checker.check_model(model, full_check=True)
    feed = random_feed(6, 40, len(encoder.tokenizer))
    vectors = open_session(tmp_path / "model.onnx", threads=1).run(["sentence_embedding"], feed)[0]
    assert (vectors * torch_outputs(encoder, feed)[1]).sum(axis=1).min() >= 0.97


def test_outlier_columns_bring_the_vectors_closer(tmp_path: Path) -> None:
    encoder = tiny_encoder("bert", num_hidden_layers=2)
    for layer in encoder.backbone.encoder.layer:
        layer.output.LayerNorm.weight.data[[3, 17]] = 40
    encoder.backbone.embeddings.LayerNorm.weight.data[[3, 17]] = 40
    export_encoder(encoder, tmp_path / "fp32.onnx")
    texts = [random_feed(4, 20, len(encoder.tokenizer))]
    feed = random_feed(6, 30, len(encoder.tokenizer))
    expected, worst = torch_outputs(encoder, feed)[1], {}
    for count in (0, 2):
        settings = RowQuantizeSettings(seven_bits=False, tables="fp32", outliers=count)
        quantize_rows(tmp_path / "fp32.onnx", tmp_path / "rows.onnx", settings, texts)
        vectors = open_session(tmp_path / "rows.onnx", threads=1).run(["sentence_embedding"], feed)[0]
        worst[count] = 1 - float((vectors * expected).sum(axis=1).min())
    stored = {one.name: one for one in onnx.load(tmp_path / "rows.onnx").graph.initializer}
    states = next(name for name in stored if name.endswith(".kept") and "embeddings/LayerNorm" in name)
    assert onnx.numpy_helper.to_array(stored[states]).tolist() == [3, 17]
    assert worst[2] < 0.5 * worst[0]


def test_outliers_need_texts_and_fewer_columns_than_there_are(graph: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"model\.onnx: outliers 2: texts are needed to find them; give calibration"):
        quantize_rows(graph, tmp_path / "rows.onnx", RowQuantizeSettings(outliers=2))
    with pytest.raises(InputError, match=r"outliers 32: '.+' has 32 columns; ask for fewer"):
        quantize_rows(graph, tmp_path / "rows.onnx", RowQuantizeSettings(outliers=32), [random_feed(1, 4, 100)])
    assert list(tmp_path.iterdir()) == []


def test_graph_without_weights_is_refused(graph_without_weights: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"relu\.onnx: no MatMul in it has a stored weight"):
        quantize_rows(graph_without_weights, tmp_path / "rows.onnx")
    assert not (tmp_path / "rows.onnx").exists()


def test_a_weight_that_is_not_finite_is_refused_and_nothing_is_written(graph: Path, tmp_path: Path) -> None:
    model = onnx.load(graph)
    table = next(one for one in model.graph.initializer if "word_embeddings" in one.name)
    values = onnx.numpy_helper.to_array(table).copy()
    values[9, 9] = np.nan
    table.CopyFrom(onnx.numpy_helper.from_array(values, table.name))
    onnx.save(model, tmp_path / "nan.onnx")
    with pytest.raises(InputError, match=r"nan\.onnx: the weight '.*word_embeddings.*' holds values that are not fin"):
        quantize_rows(tmp_path / "nan.onnx", tmp_path / "rows.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["nan.onnx"]
