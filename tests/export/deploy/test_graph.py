from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest

from export.deploy.graph import end_full_rows, spell_out_rows, widen_states
from export.quantize.row_quantize import quantize_rows
from export.serve.session import OnnxEncoder

SEP = 2


def run(graph: Path, ids: list[list[int]], mask: list[list[int]]) -> list[np.ndarray]:
    session = ort.InferenceSession(str(graph), providers=["CPUExecutionProvider"])
    feed = {"input_ids": np.array(ids, np.int64), "attention_mask": np.array(mask, np.int64)}
    return session.run(["last_hidden_state", "sentence_embedding"], feed)


def test_a_full_row_ends_as_a_text_that_was_cut_rightly(graph: Path, tmp_path: Path) -> None:
    end_full_rows(graph, tmp_path / "ended.onnx", SEP, max_length=4)
    lost, kept, short = [0, 30, 31, 32], [0, 30, 31, SEP], [0, 33, SEP, 1]
    mask = [[1, 1, 1, 1], [1, 1, 1, 0]]
    expected = run(graph, [kept, short], mask)
    for given in ([lost, short], [kept, short]):
        for got, wanted in zip(run(tmp_path / "ended.onnx", given, mask), expected, strict=True):
            np.testing.assert_array_equal(got, wanted)
    assert np.abs(run(graph, [lost, short], mask)[1] - expected[1]).max() > 1e-4, "the plain graph does tell them apart"


def test_shorter_batches_are_what_they_were(graph: Path, tmp_path: Path) -> None:
    end_full_rows(graph, tmp_path / "ended.onnx", SEP, max_length=5)
    ids, mask = [[0, 30, 31, 32]], [[1, 1, 1, 1]]
    for got, wanted in zip(run(tmp_path / "ended.onnx", ids, mask), run(graph, ids, mask), strict=True):
        np.testing.assert_array_equal(got, wanted)


@pytest.mark.parametrize("name", ["graph", "int8_graph"])
def test_states_are_widened_with_zeros(name: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    source = request.getfixturevalue(name)
    widen_states(source, tmp_path / "wide.onnx", 32)
    ids, mask = [[0, 30, 31, 2], [0, 33, 2, 1]], [[1, 1, 1, 1], [1, 1, 1, 0]]
    states, vectors = run(source, ids, mask)
    wide, same = run(tmp_path / "wide.onnx", ids, mask)
    assert wide.shape == (2, 4, 32)
    np.testing.assert_array_equal(wide[..., :24], states)
    assert not wide[..., 24:].any()
    np.testing.assert_array_equal(same, vectors)
    session = ort.InferenceSession(str(tmp_path / "wide.onnx"), providers=["CPUExecutionProvider"])
    assert [edge.name for edge in session.get_outputs()] == ["last_hidden_state", "sentence_embedding"]


def test_rows_are_quantized_alike_by_elementary_operators(graph: Path, tmp_path: Path) -> None:
    quantize_rows(graph, tmp_path / "rows.onnx")
    spell_out_rows(tmp_path / "rows.onnx", tmp_path / "spelled.onnx")
    kinds = [node.op_type for node in onnx.load(str(tmp_path / "rows.onnx")).graph.node]
    assert "QuantizeLinear" in kinds
    spelled = [node.op_type for node in onnx.load(str(tmp_path / "spelled.onnx")).graph.node]
    assert not {"QuantizeLinear", "DequantizeLinear"} & set(spelled)
    ids, mask = [[0, 30, 31, 2], [0, 33, 2, 1]], [[1, 1, 1, 1], [1, 1, 1, 0]]
    expected = run(tmp_path / "rows.onnx", ids, mask)
    for got, wanted in zip(run(tmp_path / "spelled.onnx", ids, mask), expected, strict=True):
        np.testing.assert_allclose(got, wanted, atol=1e-6)


def test_a_graph_without_row_scales_is_what_it_was(int8_graph: Path, tmp_path: Path) -> None:
    spell_out_rows(int8_graph, tmp_path / "same.onnx")
    same, before = (onnx.load(str(path)).graph.node for path in (tmp_path / "same.onnx", int8_graph))
    assert list(same) == list(before)


def test_the_changed_graph_is_an_encoder_still(artifact: Path, tmp_path: Path) -> None:
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (tmp_path / name).write_bytes((artifact / name).read_bytes())
    end_full_rows(artifact / "onnx" / "model.onnx", tmp_path / "ended.onnx", SEP, max_length=64)
    texts = ["", "a cat", "dog " * 200]
    expected = OnnxEncoder(artifact).encode(texts)
    np.testing.assert_array_equal(OnnxEncoder(tmp_path, graph="ended.onnx").encode(texts), expected)
