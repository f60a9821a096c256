"""A static student's graph gives torch's embedding_bag, our own session's vectors, and no other beside other texts."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch.nn import functional

from decant.errors import InputError
from export.graphs.parity import ParitySettings, check_parity
from export.graphs.probe_texts import texts_of_every_length
from export.graphs.static_graph import export_static
from export.quantize.static_table import own_direction, stored_table, take_rows
from export.serve.safetensors_file import read_tensors
from export.serve.session import OnnxEncoder, open_session
from export.serve.static_session import StaticSession
from tests.tiny_tables import DIM, MAX_LENGTH, PRECISIONS, tiny_static, tiny_table

TEXTS = ["A man is playing a guitar.", "", "☕ 距離", "word " * 99, "the dog", "x"]


@pytest.mark.parametrize("precision", PRECISIONS)
def test_vectors_are_those_of_torch_and_of_our_own_session(precision: str, tmp_path: Path) -> None:
    folder = tiny_static(tmp_path / "model", precision)
    served, session = OnnxEncoder(folder), StaticSession(folder)
    table = torch.from_numpy(take_rows(read_tensors(session.graph), slice(None)))
    ids = served.tokenize(TEXTS)
    assert ids == session.tokenize(TEXTS)
    flat = torch.tensor([number for row in ids for number in row])
    starts = torch.tensor(np.cumsum([0, *(len(row) for row in ids[:-1])]))
    sums = functional.embedding_bag(flat, table, starts, mode="sum")
    direction = torch.from_numpy(own_direction(read_tensors(session.graph)))
    expected = functional.normalize(torch.where(sums.any(1, keepdim=True), sums, direction), dim=1).numpy()
    for found in (served.encode(TEXTS), session.encode(TEXTS)):
        assert np.abs(found - expected).max() < 1e-6
    assert (~sums.any(1)).tolist() == [False, True, True, False, False, False]


@pytest.mark.parametrize("precision", PRECISIONS)
def test_its_vectors_depend_on_no_batch_and_no_padding(precision: str, tmp_path: Path) -> None:
    folder = tiny_static(tmp_path / "model", precision)
    session = StaticSession(folder)
    probes = texts_of_every_length(["the big dog runs in the park"], session.tokenize, MAX_LENGTH, 100)
    strict = ParitySettings(min_cosine=0.999999, min_invariance=0.999999)
    for candidate in (OnnxEncoder(folder), session):
        check_parity(candidate, probes, session.encode(probes), "fp32", strict)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_edges_and_metadata_are_as_of_other_graphs(precision: str, tmp_path: Path) -> None:
    path = tiny_static(tmp_path / "model", precision) / "onnx" / "model.onnx"
    session = open_session(path)
    assert [(edge.name, edge.type, edge.shape) for edge in session.get_inputs()] == [
        ("input_ids", "tensor(int64)", ["batch", "length"]), ("attention_mask", "tensor(int64)", ["batch", "length"]),
    ]  # fmt: skip
    assert [(edge.name, edge.type, edge.shape) for edge in session.get_outputs()] == [
        ("last_hidden_state", "tensor(float)", ["batch", "length", DIM]),
        ("sentence_embedding", "tensor(float)", ["batch", DIM]),
    ]
    assert session.get_modelmeta().custom_metadata_map == {
        "layers": "0", "heads": "0", "hidden_size": "32", "dim": "32", "pooling": "mean", "max_length": "24",
    }  # fmt: skip
    model = onnx.load(path)
    assert [(one.domain, one.version) for one in model.opset_import] == [("", 17)]
    assert {node.domain for node in model.graph.node} == {""}


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_mean_of_its_states_has_the_vectors_direction(precision: str, tmp_path: Path) -> None:
    folder = tiny_static(tmp_path / "model", precision)
    served = OnnxEncoder(folder)
    feed = served.feed(served.tokenize(["the dog runs", "a", "two big dogs in the park"]))
    states, vectors = open_session(served.graph).run(None, feed)
    mask = feed["attention_mask"][..., None]
    assert not (states * (1 - mask)).any()
    means = states.sum(1) / mask.sum(1)
    assert np.abs(means / np.linalg.norm(means, axis=1, keepdims=True) - vectors).max() < 1e-6


def test_the_graph_is_about_as_small_as_its_table(tmp_path: Path) -> None:
    for precision in PRECISIONS:
        stored = stored_table(tiny_table().rows, precision)
        export_static(stored, tmp_path / precision, MAX_LENGTH)
        assert (tmp_path / precision).stat().st_size < sum(one.nbytes for one in stored.values()) + 4000


def test_what_is_no_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no table of a static student"):
        export_static({"embedding.weight": np.ones((2, 8), np.float32)}, tmp_path / "model.onnx", 8)
    assert not (tmp_path / "model.onnx").exists()
