from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper

from decant.models.encoder import SentenceEncoder
from export.quantize.calibration import calibration_batches, rows_of_batches, sentence_vectors
from tests.export.conftest import TEXTS


def test_batches_hold_every_text_once_padded_to_the_longest() -> None:
    ids = [[7] * length for length in (3, 9, 1, *([5] * 40))]
    batches = calibration_batches(ids, pad_id=1)
    assert [batch["input_ids"].shape for batch in batches] == [(32, 9), (11, 5)]
    lengths = [int(length) for batch in batches for length in batch["attention_mask"].sum(axis=1)]
    assert sorted(lengths) == sorted(map(len, ids))
    for batch in batches:
        np.testing.assert_array_equal(batch["input_ids"], np.where(batch["attention_mask"] == 1, 7, 1))


def test_rows_are_those_of_tokens_alone() -> None:
    nodes = [
        helper.make_node("Cast", ["input_ids"], ["flat"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["flat", "axis"], ["ids"]),
        helper.make_node("Mul", ["ids", "ids"], ["squares"]),
    ]
    edges = [
        helper.make_tensor_value_info(name, TensorProto.INT64, ["b", "l"]) for name in ("input_ids", "attention_mask")
    ]
    end = helper.make_tensor_value_info("squares", TensorProto.FLOAT, ["b", "l", 1])
    axis = onnx.numpy_helper.from_array(np.array([2]), "axis")
    graph = helper.make_graph(nodes, "squares", edges, [end], [axis])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    batches = calibration_batches([[2, 3, 4], [5]], pad_id=9)
    (found,) = rows_of_batches(model, ["ids", "squares"], batches)
    assert {name: rows.tolist() for name, rows in found.items()} == {
        "ids": [[2], [3], [4], [5]], "squares": [[4], [9], [16], [25]],
    }  # fmt: skip


def test_vectors_are_the_encoders(graph: Path, encoder: SentenceEncoder) -> None:
    batches = calibration_batches(encoder.tokenize(TEXTS), int(encoder.tokenizer.pad_token_id))
    order = np.argsort([-len(ids) for ids in encoder.tokenize(TEXTS)], kind="stable")
    vectors = sentence_vectors(onnx.load(graph), batches)
    np.testing.assert_allclose(vectors, encoder.encode(TEXTS)[order], atol=1e-5)
