from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from sentence_transformers import SentenceTransformer
from transformers import AutoModel

from export.session import OnnxEncoder
from export.to_onnx import export_encoder
from students.cut import cut, with_layers
from students.exits import encode_exits, unit_slice
from teachers.encoder import SentenceEncoder
from teachers.errors import InputError
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
