"""Graphs of students whose layers share attention maps, quantized."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from decant.models.encoder import SentenceEncoder
from export.graphs.to_onnx import export_encoder
from export.quantize.block_quantize import quantize_blocks
from export.quantize.dynamic_quantize import quantize_dynamic
from export.quantize.row_quantize import quantize_rows
from export.serve.session import open_session
from students.cuts.cut import cut
from students.sharing.share_maps import share_attention
from tests.export.graphs.test_to_onnx import random_feed, torch_outputs
from tests.export.quantize.test_row_quantize import alone, padded
from tests.tiny_models import tiny_encoder


@pytest.fixture(scope="module", params=["bert", "mpnet", "distilbert"])
def shared(request: pytest.FixtureRequest) -> SentenceEncoder:
    return share_attention(tiny_encoder(request.param), [[0, 1], [2, 3]])


def operators(path: Path, kind: str) -> int:
    return sum(node.op_type == kind for node in onnx.load(path).graph.node)


@pytest.mark.parametrize(("name", "closest"), [("rows", 0.99), ("blocks", 0.85), ("dynamic", 0.9)])
def test_quantized_graphs_keep_the_maps_and_the_vectors(
    name: str, closest: float, shared: SentenceEncoder, tmp_path: Path
) -> None:
    source, target = tmp_path / "fp32.onnx", tmp_path / "quantized.onnx"
    export_encoder(shared, source)
    words = len(shared.tokenizer)
    if name == "rows":
        quantize_rows(source, target)
    elif name == "blocks":
        quantize_blocks(source, target, 4, calibration=[random_feed(8, 30, words), random_feed(8, 12, words)])
    else:
        quantize_dynamic(source, target)
    assert operators(source, "Softmax") == operators(target, "Softmax") == 2
    session, feed = open_session(target, threads=1), random_feed(6, 40, words)
    vectors = session.run(["sentence_embedding"], feed)[0]
    assert (vectors * torch_outputs(shared, feed)[1]).sum(axis=1).min() >= closest
    if name != "dynamic":
        for row in range(6):
            single = session.run(["sentence_embedding"], padded(alone(feed, row), 96))[0]
            assert (single * vectors[row : row + 1]).sum() >= 1 - 1e-6


def test_a_cut_inside_a_group_keeps_its_map(shared: SentenceEncoder, tmp_path: Path) -> None:
    for depth, maps in ((1, 1), (2, 1), (3, 2)):
        smaller = cut(shared, depth, 8)
        export_encoder(smaller, tmp_path / "cut.onnx")
        assert operators(tmp_path / "cut.onnx", "Softmax") == maps
        feed = random_feed(4, 20, len(shared.tokenizer))
        vectors = open_session(tmp_path / "cut.onnx", threads=1).run(["sentence_embedding"], feed)[0]
        np.testing.assert_allclose(vectors, torch_outputs(smaller, feed)[1], atol=1e-5)
