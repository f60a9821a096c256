from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import pytest

from decant.errors import InputError
from decant.models.encoder import SentenceEncoder
from export.graphs.to_onnx import export_encoder
from export.quantize.dynamic_quantize import QuantizeSettings, quantize_dynamic
from export.serve.session import open_session
from tests.export.graphs.test_to_onnx import random_feed, torch_outputs
from tests.tiny_models import BACKBONES, tiny_encoder


def weight_types(path: Path) -> dict[str, int]:
    """Bytes of the stored weights by type."""
    sizes: Counter[str] = Counter()
    for weight in onnx.load(path).graph.initializer:
        sizes[onnx.TensorProto.DataType.Name(weight.data_type)] += onnx.numpy_helper.to_array(weight).nbytes
    return dict(sizes)


@pytest.mark.parametrize("kind", BACKBONES)
def test_every_family_is_close_and_smaller(kind: str, tmp_path: Path) -> None:
    encoder = tiny_encoder(kind)
    source, target = tmp_path / "fp32.onnx", tmp_path / "int8.onnx"
    export_encoder(encoder, source)
    quantize_dynamic(source, target)
    assert sum(weight_types(target).values()) < 0.6 * sum(weight_types(source).values())
    feed = random_feed(4, 20, len(encoder.tokenizer))
    vectors = open_session(target, threads=1).run(["sentence_embedding"], feed)[0]
    assert (vectors * torch_outputs(encoder, feed)[1]).sum(axis=1).min() >= 0.97
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fp32.onnx", "int8.onnx"]


def test_edges_and_metadata_stay(graph: Path, int8_graph: Path) -> None:
    before, after = onnx.load(graph), onnx.load(int8_graph)
    assert list(after.graph.input) == list(before.graph.input)
    assert list(after.graph.output) == list(before.graph.output)
    stated = [entry for entry in after.metadata_props if not entry.key.startswith("onnx.")]
    assert stated == list(before.metadata_props)


def test_every_weight_product_is_in_integers(graph: Path, int8_graph: Path) -> None:
    products = Counter(node.op_type for node in onnx.load(int8_graph).graph.node)
    assert products["MatMulInteger"] == 4 * 6  # query, key, value, output and the two of the feed-forward
    assert products["MatMul"] == 4 * 2  # scores and their use: both sides come from the texts


def test_columns_have_scales_of_their_own(int8_graph: Path) -> None:
    model = onnx.load(int8_graph)
    scales = [weight for weight in model.graph.initializer if "MatMul" in weight.name and "scale" in weight.name]
    assert {tuple(scale.dims) for scale in scales} == {(32,), (64,)}


def test_tables_may_stay_in_float(graph: Path, tmp_path: Path, encoder: SentenceEncoder) -> None:
    quantize_dynamic(graph, tmp_path / "some.onnx", QuantizeSettings(tables=False))
    table = encoder.backbone.get_input_embeddings().weight.nbytes
    assert weight_types(tmp_path / "some.onnx")["FLOAT"] >= table


def test_seven_bits_hold_weights_within_64(graph: Path, tmp_path: Path) -> None:
    for seven, largest in ((True, 64), (False, 127)):
        quantize_dynamic(graph, tmp_path / "model.onnx", QuantizeSettings(seven_bits=seven, tables=False))
        weights = [
            onnx.numpy_helper.to_array(weight)
            for weight in onnx.load(tmp_path / "model.onnx").graph.initializer
            if weight.data_type == onnx.TensorProto.INT8 and len(weight.dims) == 2
        ]
        assert max(int(np.abs(weight.astype(np.int32)).max()) for weight in weights) == largest


def test_says_nothing(
    graph: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    quantize_dynamic(graph, tmp_path / "int8.onnx")
    captured = capfd.readouterr()
    assert captured.out + captured.err + caplog.text == ""


def test_missing_source(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.onnx is missing; export the encoder first"):
        quantize_dynamic(tmp_path / "none.onnx", tmp_path / "int8.onnx")


def test_source_that_is_no_graph(tmp_path: Path) -> None:
    (tmp_path / "text.onnx").write_text("not a graph")
    with pytest.raises(InputError, match=r"text\.onnx cannot be read as an ONNX graph"):
        quantize_dynamic(tmp_path / "text.onnx", tmp_path / "int8.onnx")


def test_graph_without_weights_is_refused(graph_without_weights: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no MatMul in it has a stored weight"):
        quantize_dynamic(graph_without_weights, tmp_path / "int8.onnx")
    assert not (tmp_path / "int8.onnx").exists()
