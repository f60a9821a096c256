from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from decant.errors import InputError
from decant.models.encoder import SentenceEncoder
from export.graphs.graph_file import load_graph
from export.graphs.to_onnx import export_encoder
from export.quantize.block_quantize import Bits, quantize_blocks
from export.quantize.block_weights import block_scales, nearest_codes
from export.quantize.quantize_settings import BlockQuantizeSettings
from export.quantize.row_products import weight_products
from export.serve.session import open_session
from tests.export.graphs.test_to_onnx import random_feed, torch_outputs
from tests.export.quantize.test_dynamic_quantize import weight_types
from tests.export.quantize.test_row_quantize import check_same_in_every_batch, operators
from tests.tiny_models import BACKBONES, tiny_encoder

NEAREST = BlockQuantizeSettings(rounding="nearest")


@pytest.mark.parametrize("kind", BACKBONES)
@pytest.mark.parametrize(("bits", "closest"), [(4, 0.85), (8, 0.995)])
def test_every_family_is_close_small_and_the_same_in_every_batch(
    kind: str, bits: Bits, closest: float, tmp_path: Path
) -> None:
    encoder = tiny_encoder(kind)
    source, target = tmp_path / "fp32.onnx", tmp_path / "deep" / "blocks.onnx"
    export_encoder(encoder, source)
    before = source.read_bytes()
    words = len(encoder.tokenizer)
    quantize_blocks(source, target, bits, calibration=[random_feed(8, 30, words), random_feed(8, 12, words)])
    assert source.read_bytes() == before
    assert [path.name for path in target.parent.iterdir()] == ["blocks.onnx"]
    assert sum(weight_types(target).values()) < (0.45 if bits == 4 else 0.6) * sum(weight_types(source).values())
    session = open_session(target, threads=1)
    feed = random_feed(6, 40, words)
    vectors = session.run(["sentence_embedding"], feed)[0]
    assert (vectors * torch_outputs(encoder, feed)[1]).sum(axis=1).min() >= closest
    check_same_in_every_batch(session, feed, vectors)


@pytest.mark.parametrize("bits", [4, 8])
def test_the_graph_multiplies_by_the_rounded_weights(graph: Path, tmp_path: Path, bits: Bits) -> None:
    settings = BlockQuantizeSettings(block=16, accuracy_level=1, rounding="nearest", tables="fp32")
    quantize_blocks(graph, tmp_path / "blocks.onnx", bits, settings)
    rounded = load_graph(graph)
    stored = {one.name: one for one in rounded.graph.initializer}
    for node in weight_products(rounded.graph):
        weights = numpy_helper.to_array(stored[node.input[1]])
        scales = block_scales(weights, 16, bits)
        restored = nearest_codes(weights, scales, 16, bits) * np.repeat(scales, 16, axis=0)
        stored[node.input[1]].CopyFrom(numpy_helper.from_array(restored.astype(np.float32), node.input[1]))
    onnx.save(rounded, tmp_path / "rounded.onnx")
    feed = random_feed(5, 40, 100)
    answers = [open_session(tmp_path / f"{name}.onnx", threads=1).run(None, feed) for name in ("blocks", "rounded")]
    for answer, expected in zip(*answers, strict=True):
        np.testing.assert_allclose(answer, expected, atol=2e-5)


def test_gptq_brings_the_vectors_closer(graph: Path, tmp_path: Path, encoder: SentenceEncoder) -> None:
    words = len(encoder.tokenizer)
    calibration = [random_feed(32, 30, words), random_feed(32, 20, words)]
    feed, worst = random_feed(40, 30, words), {}
    for rounding in ("nearest", "gptq"):
        settings = BlockQuantizeSettings(rounding=rounding, tables="fp32")
        quantize_blocks(graph, tmp_path / "blocks.onnx", 4, settings, calibration)
        vectors = open_session(tmp_path / "blocks.onnx", threads=1).run(["sentence_embedding"], feed)[0]
        worst[rounding] = 1 - float((vectors * torch_outputs(encoder, feed)[1]).sum(axis=1).mean())
    assert worst["gptq"] < 0.8 * worst["nearest"]


def test_every_weight_product_and_table_is_replaced(graph: Path, tmp_path: Path) -> None:
    before = operators(graph)
    quantize_blocks(graph, tmp_path / "blocks.onnx", 4, NEAREST)
    after = operators(tmp_path / "blocks.onnx")
    assert after["MatMulNBits"] == 4 * 6
    assert after["MatMul"] == before["MatMul"] - 4 * 6
    stored = weight_types(tmp_path / "blocks.onnx")
    assert stored["FLOAT16"] > 0  # the scales of the three tables
    quantize_blocks(graph, tmp_path / "blocks.onnx", 4, NEAREST.model_copy(update={"tables": "int8"}))
    assert "FLOAT16" not in weight_types(tmp_path / "blocks.onnx")


def test_edges_and_metadata_stay(graph: Path, tmp_path: Path) -> None:
    quantize_blocks(graph, tmp_path / "blocks.onnx", 8, NEAREST)
    before, after = onnx.load(graph), onnx.load(tmp_path / "blocks.onnx")
    assert list(after.graph.input) == list(before.graph.input)
    assert list(after.graph.output) == list(before.graph.output)
    assert list(after.metadata_props) == list(before.metadata_props)


def test_the_settings_reach_the_nodes(graph: Path, tmp_path: Path) -> None:
    for level in (1, 4):
        settings = BlockQuantizeSettings(rounding="nearest", block=64, accuracy_level=level)
        quantize_blocks(graph, tmp_path / "blocks.onnx", 8, settings)
        nodes = [node for node in onnx.load(tmp_path / "blocks.onnx").graph.node if node.op_type == "MatMulNBits"]
        stated = [{one.name: onnx.helper.get_attribute_value(one) for one in node.attribute} for node in nodes]
        assert {(one["bits"], one["block_size"], one["accuracy_level"]) for one in stated} == {(8, 64, level)}


def test_gptq_needs_texts(graph: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"model\.onnx: rounding gptq: texts are needed for it; give calibration"):
        quantize_blocks(graph, tmp_path / "blocks.onnx", 4)
    assert list(tmp_path.iterdir()) == []


def test_graph_without_weights_is_refused(graph_without_weights: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"relu\.onnx: no MatMul in it has a stored weight, so int4 would change"):
        quantize_blocks(graph_without_weights, tmp_path / "blocks.onnx", 4, NEAREST)
    assert not (tmp_path / "blocks.onnx").exists()


def test_a_weight_that_is_not_finite_is_refused_and_nothing_is_written(graph: Path, tmp_path: Path) -> None:
    model = onnx.load(graph)
    weight = next(one for one in model.graph.initializer if one.name == weight_products(model.graph)[5].input[1])
    values = numpy_helper.to_array(weight).copy()
    values[9, 9] = np.inf
    weight.CopyFrom(numpy_helper.from_array(values, weight.name))
    onnx.save(model, tmp_path / "inf.onnx")
    with pytest.raises(InputError, match=r"inf\.onnx: the weight '.+' holds values that are not finite"):
        quantize_blocks(tmp_path / "inf.onnx", tmp_path / "blocks.onnx", 4, NEAREST)
    assert [path.name for path in tmp_path.iterdir()] == ["inf.onnx"]
