from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from numpy.typing import NDArray
from transformers import PretrainedConfig

from decant.errors import InputError
from decant.models.encoder import SentenceEncoder
from decant.models.pooling import PoolingKind
from export.graphs import to_onnx
from export.graphs.to_onnx import export_comparator, export_encoder
from export.serve.session import open_session
from students.distill.comparator import Comparator
from tests.tiny_models import BACKBONES, tiny_encoder

SHAPES = [(1, 2), (1, 3), (2, 7), (5, 40), (3, 128)]  # batch, length; the export saw neither


def random_feed(batch: int, length: int, vocabulary: int) -> dict[str, NDArray[np.int64]]:
    """Random texts of random lengths from 2 on, padded to `length`; the first row is full."""
    generator = np.random.default_rng(1000 * batch + length)
    ids = generator.integers(5, vocabulary, (batch, length))
    lengths = generator.integers(2, length + 1, batch)
    lengths[0] = length
    mask = (np.arange(length) < lengths[:, None]).astype(np.int64)
    ids[:, 0] = 0
    ids[np.arange(batch), lengths - 1] = 2
    return {"input_ids": np.where(mask == 1, ids, 1), "attention_mask": mask}


def torch_outputs(
    encoder: SentenceEncoder, feed: dict[str, NDArray[np.int64]]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    with torch.inference_mode():
        states, vectors = encoder(*(torch.from_numpy(feed[name]) for name in ("input_ids", "attention_mask")))
    return states.numpy(), vectors.numpy()


@pytest.mark.parametrize("kind", BACKBONES)
@pytest.mark.parametrize("pooling", ["mean", "cls", "concat_top_mean"])
def test_graph_equals_torch_at_every_shape(kind: str, pooling: PoolingKind, tmp_path: Path) -> None:
    layers = 4 if pooling == "concat_top_mean" else 2
    encoder = tiny_encoder(kind, pooling, dim=24, num_hidden_layers=layers)
    export_encoder(encoder, tmp_path / "model.onnx")
    session = open_session(tmp_path / "model.onnx", threads=1)
    for batch, length in SHAPES:
        feed = random_feed(batch, length, len(encoder.tokenizer))
        states, vectors = session.run(None, feed)
        expected_states, expected_vectors = torch_outputs(encoder, feed)
        assert vectors.shape == (batch, 24)
        assert (vectors * expected_vectors).sum(axis=1).min() >= 0.99999
        tokens = feed["attention_mask"] == 1
        np.testing.assert_allclose(states[tokens], expected_states[tokens], atol=2e-5)


def test_edges_are_the_contract(graph: Path) -> None:
    session = open_session(graph, threads=1)
    inputs = [(edge.name, edge.type, edge.shape) for edge in session.get_inputs()]
    outputs = [(edge.name, edge.type, edge.shape) for edge in session.get_outputs()]
    assert inputs == [
        ("input_ids", "tensor(int64)", ["batch", "length"]),
        ("attention_mask", "tensor(int64)", ["batch", "length"]),
    ]
    assert outputs == [
        ("last_hidden_state", "tensor(float)", ["batch", "length", 24]),
        ("sentence_embedding", "tensor(float)", ["batch", 24]),
    ]


def test_graph_is_one_valid_file_without_unused_weights(graph: Path) -> None:
    model = onnx.load(graph, load_external_data=False)
    onnx.checker.check_model(model, full_check=True)
    read = {name for node in model.graph.node for name in node.input}
    assert [weight.name for weight in model.graph.initializer if weight.name not in read] == []
    assert all(weight.data_location == onnx.TensorProto.DEFAULT for weight in model.graph.initializer)
    assert not list(graph.parent.glob(".*")), "scratch folders are gone"


def test_metadata_state_the_sizes(graph: Path) -> None:
    stated = {entry.key: entry.value for entry in onnx.load(graph).metadata_props}
    sizes = {"layers": "4", "heads": "4", "hidden_size": "32", "dim": "24", "pooling": "mean"}
    assert stated == sizes | {"max_length": "64"}


@pytest.mark.parametrize("kind", ["distilbert", "bert"])
def test_sizes_are_found_under_every_familys_names(kind: str, tmp_path: Path) -> None:
    export_encoder(tiny_encoder(kind, num_hidden_layers=2), tmp_path / "model.onnx")
    stated = {entry.key: entry.value for entry in onnx.load(tmp_path / "model.onnx").metadata_props}
    assert (stated["layers"], stated["heads"], stated["hidden_size"]) == ("2", "4", "32")


def test_unit_length_whatever_the_padding(graph: Path) -> None:
    session = open_session(graph, threads=1)
    vectors = session.run(["sentence_embedding"], random_feed(5, 40, 180))[0]
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)


def test_onnxruntime_can_fuse_the_attention(graph: Path) -> None:
    from onnxruntime.transformers import optimizer

    fused = optimizer.optimize_model(str(graph), model_type="bert", num_heads=4, hidden_size=32, opt_level=0)
    assert fused.get_fused_operator_statistics()["Attention"] == 4


def test_encoder_is_left_as_it_was(tmp_path: Path) -> None:
    encoder = tiny_encoder("bert").train()
    implementation = encoder.backbone.config._attn_implementation
    before = {name: tensor.clone() for name, tensor in encoder.state_dict().items()}
    state = torch.random.get_rng_state()
    export_encoder(encoder, tmp_path / "deep" / "model.onnx")
    assert encoder.training
    assert encoder.backbone.config._attn_implementation == implementation
    assert torch.equal(torch.random.get_rng_state(), state)
    assert all(torch.equal(tensor, before[name]) for name, tensor in encoder.state_dict().items())


def test_export_says_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    export_encoder(tiny_encoder("deberta-v2"), tmp_path / "model.onnx")
    captured = capfd.readouterr()
    assert captured.out + captured.err == ""


def test_failure_is_one_error_and_leaves_nothing(tmp_path: Path) -> None:
    encoder = tiny_encoder("bert")
    encoder.backbone.forward = lambda **inputs: 1 / 0  # type: ignore[method-assign]
    with pytest.raises(InputError, match=r"BertModel cannot be exported to ONNX \(ZeroDivisionError"):
        export_encoder(encoder, tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []


def test_sizes_that_are_not_stated(tmp_path: Path) -> None:
    encoder = tiny_encoder("bert")
    encoder.backbone.config = PretrainedConfig(hidden_size=32)
    with pytest.raises(InputError, match="a '' backbone does not state its sizes"):
        export_encoder(encoder, tmp_path / "model.onnx")


def test_too_many_weights_for_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(to_onnx, "LARGEST_BYTES", 1000)
    with pytest.raises(InputError, match="GiB of weights; one ONNX file holds at most 2"):
        export_encoder(tiny_encoder("bert"), tmp_path / "model.onnx")


@pytest.mark.parametrize("outputs", [1, 3])
def test_comparator_graph_equals_torch(outputs: int, tmp_path: Path) -> None:
    torch.manual_seed(0)
    comparator = Comparator(24, outputs, hidden=16)
    export_comparator(comparator, tmp_path / "comparator.onnx")
    session = ort.InferenceSession(str(tmp_path / "comparator.onnx"), providers=["CPUExecutionProvider"])
    assert [(edge.name, edge.shape) for edge in session.get_outputs()] == [("logits", ["batch", outputs])]
    for pairs in (1, 2, 9):
        u, v = torch.randn(pairs, 24), torch.randn(pairs, 24)
        with torch.inference_mode():
            expected = comparator(u, v).numpy()
        logits = session.run(None, {"u": u.numpy(), "v": v.numpy()})[0]
        np.testing.assert_allclose(logits, expected, atol=1e-5)
        assert logits.dtype == np.float32
