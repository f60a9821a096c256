from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from decant.errors import InputError
from decant.models.encoder import SentenceEncoder
from export.graphs.to_onnx import export_encoder
from export.quantize.activation_scale import fit_activation
from export.quantize.column_weights import quantize_columns
from export.quantize.quantize_settings import StaticQuantizeSettings
from export.quantize.static_quantize import quantize_static
from export.serve.session import open_session
from tests.export.graphs.test_to_onnx import random_feed, torch_outputs
from tests.export.quantize.test_dynamic_quantize import weight_types
from tests.export.quantize.test_row_quantize import check_same_in_every_batch, operators
from tests.processor import needs_vnni
from tests.tiny_models import BACKBONES, tiny_encoder

GENERATOR = np.random.default_rng(5)
TEXTS = [random_feed(8, 30, 100), random_feed(8, 12, 100)]


@pytest.mark.parametrize("kind", BACKBONES)
def test_every_family_is_close_small_and_the_same_in_every_batch(kind: str, tmp_path: Path) -> None:
    encoder = tiny_encoder(kind)
    source, target = tmp_path / "fp32.onnx", tmp_path / "deep" / "static.onnx"
    export_encoder(encoder, source)
    before, words = source.read_bytes(), len(encoder.tokenizer)
    quantize_static(source, target, calibration=[random_feed(32, 30, words), random_feed(32, 12, words)])
    assert source.read_bytes() == before
    assert [path.name for path in target.parent.iterdir()] == ["static.onnx"]
    assert sum(weight_types(target).values()) < 0.65 * sum(weight_types(source).values())
    session = open_session(target, threads=1)
    feed = random_feed(6, 40, words)
    vectors = session.run(["sentence_embedding"], feed)[0]
    assert (vectors * torch_outputs(encoder, feed)[1]).sum(axis=1).min() >= 0.98
    check_same_in_every_batch(session, feed, vectors)


@pytest.mark.parametrize("outliers", [0, 1])
def test_the_product_is_that_of_the_rounded_numbers(outliers: int, tmp_path: Path) -> None:
    """x → two products that share its codes, and its float32 columns where it has any."""
    weights = [GENERATOR.standard_normal((16, width)).astype(np.float32) for width in (6, 9)]
    stored = [numpy_helper.from_array(one, name) for name, one in zip("ab", weights, strict=True)]
    nodes = [
        helper.make_node("Cast", ["input_ids"], ["x"], to=TensorProto.FLOAT),
        helper.make_node("MatMul", ["x", "a"], ["first"]),
        helper.make_node("MatMul", ["x", "b"], ["second"]),
    ]
    begin = [helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["n", 16])]
    begin.append(helper.make_tensor_value_info("attention_mask", TensorProto.INT64, ["n"]))
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", None]) for name in ("first", "second")]
    graph = helper.make_graph(nodes, "products", begin, ends, stored)
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), tmp_path / "fp32.onnx"
    )
    rows = GENERATOR.integers(-50, 50, (200, 16))
    rows[:, 3] *= 30
    feed = {"input_ids": rows, "attention_mask": np.ones(200, np.int64)}
    settings = StaticQuantizeSettings(percentiles=(100,), seven_bits=False, outliers=outliers)
    quantize_static(tmp_path / "fp32.onnx", tmp_path / "static.onnx", settings, [feed])
    x, every = rows.astype(np.float32), np.concatenate(weights, axis=1)
    fit = fit_activation(x, np.abs(x).max(axis=0), every, (100,), outliers, 127)
    assert fit.kept.tolist() == [3] * outliers
    others = np.where(np.isin(np.arange(16), fit.kept), 0, 1)
    codes = np.clip(np.rint(x / fit.scale) + int(fit.zero_point), 0, 255) - int(fit.zero_point)
    integers, scales = quantize_columns(every * others[:, None], 127)
    expected = codes @ integers * scales * fit.scale + (x * (1 - others)) @ every
    session = ort.InferenceSession(tmp_path / "static.onnx", providers=["CPUExecutionProvider"])
    answer = np.concatenate(session.run(None, feed), axis=1)
    np.testing.assert_allclose(answer, expected, atol=2e-3, rtol=1e-5)
    assert np.abs(expected - x @ every).max() > 5e-2, "rounding is seen, so the above compares it"


def test_products_of_one_activation_share_its_codes(graph: Path, tmp_path: Path) -> None:
    before = operators(graph)
    quantize_static(graph, tmp_path / "static.onnx", StaticQuantizeSettings(outliers=0), TEXTS)
    after = operators(tmp_path / "static.onnx")
    assert after["QuantizeLinear"] == 4 * 4  # states, context, and both of the feed-forward
    assert after["DequantizeLinear"] == 4 * 4 + 4 * 6
    assert after["MatMul"] == before["MatMul"]
    assert after["Mul"] == before["Mul"] + 3  # of the tables
    assert {node.domain for node in onnx.load(tmp_path / "static.onnx").graph.node} == {""}


def test_onnxruntime_multiplies_integers(graph: Path, tmp_path: Path) -> None:
    quantize_static(graph, tmp_path / "static.onnx", calibration=TEXTS)
    options = ort.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    options.log_severity_level = 3
    ort.InferenceSession(tmp_path / "static.onnx", options, providers=["CPUExecutionProvider"])
    optimized = operators(tmp_path / "optimized.onnx")
    assert optimized["MatMulIntegerToFloat"] == 4 * 6
    assert optimized["DequantizeLinear"] == 0


@pytest.mark.parametrize("seven_bits", [True, pytest.param(False, marks=needs_vnni)])
def test_outliers_in_float_bring_the_vectors_closer(seven_bits: bool, tmp_path: Path) -> None:
    encoder = tiny_encoder("bert", num_hidden_layers=2)
    for layer in encoder.backbone.encoder.layer:
        layer.output.LayerNorm.weight.data[[3, 17]] = 40
    encoder.backbone.embeddings.LayerNorm.weight.data[[3, 17]] = 40
    export_encoder(encoder, tmp_path / "fp32.onnx")
    feed = random_feed(6, 30, len(encoder.tokenizer))
    expected, worst = torch_outputs(encoder, feed)[1], {}
    for outliers in (0, 2):
        settings = StaticQuantizeSettings(seven_bits=seven_bits, tables="fp32", outliers=outliers)
        quantize_static(tmp_path / "fp32.onnx", tmp_path / "static.onnx", settings, TEXTS)
        vectors = open_session(tmp_path / "static.onnx", threads=1).run(["sentence_embedding"], feed)[0]
        worst[outliers] = 1 - float((vectors * expected).sum(axis=1).mean())
    assert worst[2] < 0.2 * worst[0]


def test_edges_and_metadata_stay(graph: Path, tmp_path: Path) -> None:
    quantize_static(graph, tmp_path / "static.onnx", calibration=TEXTS)
    before, after = onnx.load(graph), onnx.load(tmp_path / "static.onnx")
    assert list(after.graph.input) == list(before.graph.input)
    assert list(after.graph.output) == list(before.graph.output)
    assert list(after.metadata_props) == list(before.metadata_props)


def test_a_limit_keeps_products_in_float(graph: Path, tmp_path: Path, encoder: SentenceEncoder) -> None:
    assert quantize_static(graph, tmp_path / "static.onnx", calibration=TEXTS) == []
    ranked = quantize_static(graph, tmp_path / "mixed.onnx", StaticQuantizeSettings(min_cosine=0.9999), TEXTS)
    kept = [one.group for one in ranked if one.kept]
    assert 0 < len(kept) < len(ranked) == 4 * 4
    means = []
    for name in ("static", "mixed"):
        session = open_session(tmp_path / f"{name}.onnx", threads=1)
        vectors = np.concatenate([session.run(["sentence_embedding"], feed)[0] for feed in TEXTS])
        expected = np.concatenate([torch_outputs(encoder, feed)[1] for feed in TEXTS])
        means.append(float((vectors * expected).sum(axis=1).mean()))
    assert means[0] < 0.9999
    assert means[1] >= 0.9999 - 1e-6


def test_it_needs_texts(graph: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"model\.onnx: texts are needed to fix the scales of activations; give calib"):
        quantize_static(graph, tmp_path / "static.onnx")
    assert list(tmp_path.iterdir()) == []


def test_graph_without_weights_is_refused(tmp_path: Path) -> None:
    edges = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [2]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "empty", edges[:1], edges[1:])
    onnx.save(helper.make_model(graph), tmp_path / "relu.onnx")
    with pytest.raises(InputError, match=r"relu\.onnx: no MatMul in it has a stored weight"):
        quantize_static(tmp_path / "relu.onnx", tmp_path / "static.onnx", calibration=TEXTS)
    assert not (tmp_path / "static.onnx").exists()


def test_activations_that_are_not_finite_are_refused(graph: Path, tmp_path: Path) -> None:
    model = onnx.load(graph)
    bias = next(one for one in model.graph.initializer if one.name.endswith("layer.1.output.dense.bias"))
    bias.CopyFrom(numpy_helper.from_array(np.full(32, np.inf, np.float32), bias.name))
    onnx.save(model, tmp_path / "inf.onnx")
    with pytest.raises(InputError, match=r"inf\.onnx: the activation '.+' is not finite on the calibration texts"):
        quantize_static(tmp_path / "inf.onnx", tmp_path / "static.onnx", calibration=TEXTS)
    assert [path.name for path in tmp_path.iterdir()] == ["inf.onnx"]
