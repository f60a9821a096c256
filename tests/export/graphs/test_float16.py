from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnxruntime import InferenceSession

from decant.errors import InputError
from export.graphs.float16 import convert_to_float16
from export.graphs.to_onnx import export_encoder
from export.serve.session import OnnxEncoder
from tests.export.conftest import TEXTS
from tests.tiny_models import tiny_encoder


def test_weights_are_halved_and_the_edges_and_vectors_stay(artifact: Path, graph: Path, tmp_path: Path) -> None:
    before = graph.read_bytes()
    convert_to_float16(graph, tmp_path / "new" / "half.onnx")
    assert graph.read_bytes() == before
    half = onnx.load(tmp_path / "new" / "half.onnx")
    kinds = {one.data_type for one in half.graph.initializer if one.data_type != onnx.TensorProto.INT64}
    assert kinds == {onnx.TensorProto.FLOAT16}
    assert {edge.type.tensor_type.elem_type for edge in half.graph.output} == {onnx.TensorProto.FLOAT}
    served = OnnxEncoder(artifact, threads=1, graph=str(tmp_path / "new" / "half.onnx"))
    vectors, whole = served.encode(TEXTS), OnnxEncoder(artifact, threads=1).encode(TEXTS)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    assert 0.9999 < (vectors * whole).sum(axis=1).min() < 1
    assert np.abs(served.embed(served.tokenize(TEXTS[:1]), 64) - served.encode(TEXTS[:1])).max() < 1e-3


def test_weights_that_stand_once_for_two_products(tmp_path: Path) -> None:
    export_encoder(tiny_encoder("deberta-v2"), tmp_path / "model.onnx")  # its positions enter by the queries' weights
    convert_to_float16(tmp_path / "model.onnx", tmp_path / "half.onnx")
    ids = np.array([[0, 7, 8, 2]])
    feed = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
    whole, half = (
        InferenceSession(tmp_path / name, providers=["CPUExecutionProvider"]).run(["sentence_embedding"], feed)[0]
        for name in ("model.onnx", "half.onnx")
    )
    assert 0.9999 < (whole * half).sum() < 1


def test_missing_graph(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.onnx is missing; export the encoder first"):
        convert_to_float16(tmp_path / "none.onnx", tmp_path / "half.onnx")
