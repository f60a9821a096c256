from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from onnx import numpy_helper

from decant.errors import InputError
from decant.models.encoder import SentenceEncoder
from export.graphs.graph_file import load_graph
from export.graphs.to_onnx import export_encoder
from export.quantize.calibration import sentence_vectors
from export.quantize.quantize_settings import RowQuantizeSettings
from export.quantize.row_products import weight_products
from export.quantize.row_quantize import quantize_rows
from export.quantize.sensitivity import Sensitivity, keep_the_fewest, measure_sensitivity, product_groups
from tests.export.graphs.test_to_onnx import random_feed, torch_outputs
from tests.export.quantize.test_row_quantize import operators
from tests.tiny_models import tiny_encoder

LAYER = "backbone/encoder/layer."
TEXTS = [random_feed(8, 20, 100), random_feed(8, 9, 100)]
COARSEST = f"{LAYER}1/output/dense"


def round_weights(model: onnx.ModelProto, *, only: frozenset[str]) -> None:
    """A quantization to try with: weights to tenths, or to fifths in the second layer's second feed-forward."""
    stored = {one.name: one for one in model.graph.initializer}
    for node in weight_products(model.graph):
        if node.output[0] in only:
            step = 0.2 if "layer.1/output/dense" in node.output[0] else 0.05
            rounded = np.rint(numpy_helper.to_array(stored[node.input[1]]) / step) * np.float32(step)
            stored[node.input[1]].CopyFrom(numpy_helper.from_array(rounded, node.input[1]))


@pytest.fixture(scope="module")
def model(graph: Path) -> onnx.ModelProto:
    return load_graph(graph)


def test_groups_are_the_parts_of_each_layer(model: onnx.ModelProto) -> None:
    groups = product_groups(model.graph)
    parts = ("attention/self", "attention/output/dense", "intermediate/dense", "output/dense")
    assert list(groups) == [f"{LAYER}{layer}/{part}" for layer in range(4) for part in parts]
    sizes = [len(products) for products in groups.values()]
    assert sizes == [3, 1, 1, 1] * 4
    assert frozenset().union(*groups.values()) == {node.output[0] for node in weight_products(model.graph)}


def test_each_loss_is_that_of_one_group_alone(model: onnx.ModelProto, encoder: SentenceEncoder) -> None:
    before = model.SerializeToString()
    ranked = measure_sensitivity(model, round_weights, TEXTS, sentence_vectors(model, TEXTS))
    assert model.SerializeToString() == before
    losses = [one.loss for one in ranked]
    assert losses == sorted(losses, reverse=True)
    assert ranked[0].group == COARSEST
    weights = encoder.backbone.encoder.layer[1].output.dense.weight.data
    whole = weights.clone()
    expected = np.concatenate([torch_outputs(encoder, feed)[1] for feed in TEXTS])
    try:
        weights.copy_(torch.round(weights / 0.2) * 0.2)
        rounded = np.concatenate([torch_outputs(encoder, feed)[1] for feed in TEXTS])
    finally:
        weights.copy_(whole)
    assert ranked[0].loss == pytest.approx(1 - (expected * rounded).sum(axis=1).mean(), abs=1e-6)


def test_no_more_groups_are_kept_than_the_limit_needs(model: onnx.ModelProto) -> None:
    ranked = measure_sensitivity(model, round_weights, TEXTS, sentence_vectors(model, TEXTS))
    groups = product_groups(model.graph)
    reached = []
    for count in (0, 1, 2, 3):
        copied = onnx.ModelProto()
        copied.CopyFrom(model)
        round_weights(copied, only=frozenset().union(*(groups[one.group] for one in ranked[count:])))
        vectors = [_vectors(one, TEXTS) for one in (model, copied)]
        reached.append(float((vectors[0] * vectors[1]).sum(axis=1).mean()))
    assert reached == sorted(reached)
    for count, limit in ((0, reached[0] - 1e-6), (1, reached[0] + 1e-6), (3, reached[2] + 1e-6)):
        kept = keep_the_fewest(model, round_weights, ranked, TEXTS, sentence_vectors(model, TEXTS), limit)
        assert kept == [replace(one, kept=place < count) for place, one in enumerate(ranked)]


def test_a_limit_that_float_itself_misses_is_refused(model: onnx.ModelProto) -> None:
    def turn(model: onnx.ModelProto, *, only: frozenset[str]) -> None:
        round_weights(model, only=only | product_groups(model.graph)[COARSEST])

    ranked = [Sensitivity(group, 0.1) for group in product_groups(model.graph)]
    said = r"min_cosine 1\.0: with every product in float32 the mean cosine is 0\.\d+; ask for less"
    with pytest.raises(InputError, match=said):
        keep_the_fewest(model, turn, ranked, TEXTS, sentence_vectors(model, TEXTS), 1.0)


def test_rows_are_quantized_but_for_the_product_that_hurts(tmp_path: Path) -> None:
    encoder = tiny_encoder("bert", num_hidden_layers=2)
    layer = encoder.backbone.encoder.layer[1]
    for parameter in layer.attention.output.LayerNorm.parameters():
        parameter.data[3] = 0  # of the states that the weights below meet
    layer.intermediate.dense.weight.data[:, 3] = 9  # so large that in int8 little is left of the other weights
    export_encoder(encoder, tmp_path / "fp32.onnx")
    target, expected = tmp_path / "rows.onnx", np.concatenate([torch_outputs(encoder, feed)[1] for feed in TEXTS])
    reached, settings = {}, RowQuantizeSettings()
    for count in (0, 1):
        ranked = quantize_rows(tmp_path / "fp32.onnx", target, settings, TEXTS)
        reached[count] = float((_vectors(load_graph(target), TEXTS) * expected).sum(axis=1).mean())
        assert operators(target)["MatMulInteger"] == 2 * 6 - count
        settings = RowQuantizeSettings(min_cosine=reached[count] + 1e-5)
    assert ranked[0].group == f"{LAYER}1/intermediate/dense"
    assert [one.kept for one in ranked] == [True] + [False] * 7
    assert reached[1] > reached[0] + 1e-5


def test_a_limit_needs_texts(graph: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"model\.onnx: min_cosine 0\.99: texts are needed to measure it; give calib"):
        quantize_rows(graph, tmp_path / "rows.onnx", RowQuantizeSettings(min_cosine=0.99))
    assert list(tmp_path.iterdir()) == []


def _vectors(model: onnx.ModelProto, feeds: list[dict[str, np.ndarray]]) -> np.ndarray:
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return np.concatenate([session.run(["sentence_embedding"], feed)[0] for feed in feeds])
