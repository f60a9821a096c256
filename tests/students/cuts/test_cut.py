from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from sentence_transformers import SentenceTransformer
from transformers import AutoModel

from decant.errors import InputError
from decant.models.encoder import SentenceEncoder
from export.graphs.to_onnx import export_encoder
from export.serve.session import OnnxEncoder
from students.cuts.cut import at_depth, cut, with_layers
from students.nesting.exits import encode_exits, unit_slice
from tests.tiny_models import BACKBONES, tiny_encoder

TEXTS = ["a big dog", "the cat sleep in a small house on the street", "river", "two women play guitar"]


@pytest.mark.parametrize("kind", BACKBONES)
def test_cut_gives_its_exit_and_loads_again(kind: str, tmp_path: Path) -> None:
    encoder = tiny_encoder(kind)
    exits = encode_exits(encoder, TEXTS)
    assert exits.shape == (4, len(TEXTS), 32)
    for layers, dim in ((1, 32), (2, 8), (4, 16)):
        smaller = cut(encoder, layers, dim)
        assert (smaller.layers, smaller.dim) == (layers, dim)
        np.testing.assert_allclose(smaller.encode(TEXTS), unit_slice(exits[layers - 1], dim), atol=1e-6)
        smaller.save(tmp_path / f"{layers}")
        loaded = SentenceEncoder.load(tmp_path / f"{layers}")
        np.testing.assert_allclose(loaded.encode(TEXTS), smaller.encode(TEXTS), atol=1e-6)
        plain = AutoModel.from_pretrained(tmp_path / f"{layers}", add_pooling_layer=False) if kind in {
            "bert", "roberta", "xlm-roberta", "mpnet"
        } else AutoModel.from_pretrained(tmp_path / f"{layers}")  # fmt: skip
        assert sum(weight.numel() for weight in plain.parameters()) == sum(
            weight.numel() for weight in smaller.parameters()
        )


def test_all_layers_and_dims_are_the_encoder_itself() -> None:
    encoder = tiny_encoder()
    whole = cut(encoder, 4, 32)
    np.testing.assert_array_equal(whole.encode(TEXTS), encoder.encode(TEXTS))
    assert {name for name, _ in whole.named_parameters()} == {name for name, _ in encoder.named_parameters()}


@pytest.mark.parametrize("kind", BACKBONES)
def test_chosen_layers_run_in_their_order(kind: str, tmp_path: Path) -> None:
    encoder = tiny_encoder(kind)
    smaller = cut(encoder, [0, 2, 3])
    assert smaller.layers == 3
    smaller.save(tmp_path)
    np.testing.assert_allclose(SentenceEncoder.load(tmp_path).encode(TEXTS), smaller.encode(TEXTS), atol=1e-6)
    assert not np.allclose(smaller.encode(TEXTS), cut(encoder, 3).encode(TEXTS), atol=1e-3)


def test_cut_shares_nothing_with_what_it_was_cut_from() -> None:
    encoder = tiny_encoder()
    before = encoder.encode(TEXTS)
    smaller = cut(encoder, 2, 8)
    with torch.no_grad():
        for weight in smaller.parameters():
            weight.zero_()
    np.testing.assert_array_equal(encoder.encode(TEXTS), before)
    assert (encoder.layers, encoder.dim) == (4, 32)


def test_with_layers_shares_every_weight() -> None:
    encoder = tiny_encoder()
    shared = with_layers(encoder, [0, 1])
    own = {id(weight) for weight in encoder.parameters()}
    assert {id(weight) for weight in shared.parameters()} < own
    np.testing.assert_allclose(shared.encode(TEXTS), unit_slice(encode_exits(encoder, TEXTS)[1], 32), atol=1e-6)


def test_graph_of_a_cut_holds_its_weights_only(tmp_path: Path) -> None:
    encoder = tiny_encoder()
    smaller = cut(encoder, 1, 8)
    export_encoder(smaller, tmp_path / "onnx" / "model.onnx")
    smaller.save(tmp_path)
    graph = onnx.load(tmp_path / "onnx" / "model.onnx").graph
    stored = sum(
        int(np.prod(weight.dims)) for weight in graph.initializer if weight.data_type == onnx.TensorProto.FLOAT
    )
    wanted = sum(weight.numel() for weight in smaller.parameters())
    assert wanted - 600 <= stored <= wanted + 64  # less the positions and types folded into the table of used ones
    np.testing.assert_allclose(OnnxEncoder(tmp_path).encode(TEXTS), smaller.encode(TEXTS), atol=1e-5)


def test_sentence_transformers_loads_a_layer_cut(tmp_path: Path) -> None:
    smaller = cut(tiny_encoder(), 2)
    smaller.save(tmp_path)
    np.testing.assert_allclose(
        SentenceTransformer(str(tmp_path), device="cpu").encode(TEXTS), smaller.encode(TEXTS), atol=1e-5
    )


@pytest.mark.parametrize(
    ("layers", "dim", "said"),
    [
        (5, None, r"cut to 5 layers: the encoder has 4, so 1\.\.4 can be kept"),
        (0, None, r"cut to 0 layers"),
        ([0, 4], None, r"keep layers \[0, 4\]: give rising numbers of 0\.\.3"),
        ([2, 1], None, r"keep layers \[2, 1\]"),
        ([], None, r"keep layers \[\]"),
        (2, 33, r"cut to 33 dimensions: the encoder's vectors have 32"),
        (2, 0, r"cut to 0 dimensions"),
    ],
)
def test_refuses_what_is_not_there(layers: int | list[int], dim: int | None, said: str) -> None:
    with pytest.raises(InputError, match=said):
        cut(tiny_encoder(), layers, dim)


def test_refuses_what_cannot_be_stored() -> None:
    with pytest.raises(InputError, match="keep layers without 0: ModernBERT"):
        cut(tiny_encoder("modernbert"), [1, 2])
    with pytest.raises(InputError, match="concat_top_mean pooling needs 3 or more"):
        cut(tiny_encoder(pooling="concat_top_mean"), 2)
    with pytest.raises(InputError, match="concat_top_mean reads several layers"):
        encode_exits(tiny_encoder(pooling="concat_top_mean"), TEXTS)


def with_own_exits(kind: str, depths: tuple[int, ...] = (1, 3)) -> SentenceEncoder:
    """A tiny encoder of four layers whose exits at these depths have moved away from the shared layers."""
    encoder = tiny_encoder(kind)
    encoder.add_exit_layers(depths)
    torch.manual_seed(1)
    with torch.no_grad():
        for weight in encoder.exit_layers.parameters():
            weight.add_(0.3 * torch.randn_like(weight))
    return encoder


@pytest.mark.parametrize("kind", BACKBONES)
def test_a_cut_ends_with_the_layer_of_its_exit(kind: str, tmp_path: Path) -> None:
    encoder, plain = with_own_exits(kind), tiny_encoder(kind)
    shared, exits = encode_exits(plain, TEXTS), encode_exits(encoder, TEXTS)
    np.testing.assert_array_equal(encoder.encode(TEXTS), plain.encode(TEXTS))
    for layers in (1, 2, 3, 4):
        assert np.allclose(exits[layers - 1], shared[layers - 1], atol=1e-6) == (layers in (2, 4))
        smaller = cut(encoder, layers)
        np.testing.assert_allclose(smaller.encode(TEXTS), unit_slice(exits[layers - 1], 32), atol=1e-6)
        assert not len(smaller.exit_layers)
        same = cut(plain, layers)
        assert {name: weight.shape for name, weight in smaller.state_dict().items()} == {
            name: weight.shape for name, weight in same.state_dict().items()
        }
        smaller.save(tmp_path / f"{layers}")
        np.testing.assert_allclose(
            SentenceEncoder.load(tmp_path / f"{layers}").encode(TEXTS), smaller.encode(TEXTS), atol=1e-6
        )


def test_an_encoder_keeps_its_exit_layers_on_disk(tmp_path: Path) -> None:
    encoder = with_own_exits("bert")
    encoder.save(tmp_path)
    loaded = SentenceEncoder.load(tmp_path)
    np.testing.assert_array_equal(encode_exits(loaded, TEXTS), encode_exits(encoder, TEXTS))
    whole = SentenceTransformer(str(tmp_path), device="cpu").encode(TEXTS)
    np.testing.assert_allclose(whole, encoder.encode(TEXTS), atol=1e-5)
    (tmp_path / "exit_layers.safetensors").write_bytes(b"short")
    with pytest.raises(InputError, match="safetensors"):
        SentenceEncoder.load(tmp_path)
    (tmp_path / "exit_layers.safetensors").unlink()
    with pytest.raises(InputError, match=r"exit_layers.safetensors: the exit layers that .* cannot be read"):
        SentenceEncoder.load(tmp_path)


def test_exits_above_a_shared_cut_keep_their_layers() -> None:
    encoder = with_own_exits("bert")
    exits = encode_exits(encoder, TEXTS)
    shallow = at_depth(encoder, 3)
    np.testing.assert_allclose(encode_exits(shallow, TEXTS), exits[:3], atol=1e-6)
    assert shallow.exit_layers["1"] is encoder.exit_layers["1"]
    assert not len(with_layers(encoder, range(3)).exit_layers)


@pytest.mark.parametrize("depths", [(0,), (4,), (1, 1)])
def test_refuses_exit_layers_where_no_exit_is(depths: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match=r"give depths of 1\.\.3, each once"):
        tiny_encoder().add_exit_layers(depths)
