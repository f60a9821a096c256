from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer

from decant.errors import InputError
from decant.models.encoder import SentenceEncoder
from decant.models.pooling import PoolingKind
from tests.tiny_models import BACKBONES, tiny_backbone_folder, tiny_encoder

TEXTS = [
    "a man is playing a guitar on the street",
    "",
    "two dogs run in the park , near the river !",
    "naïve café 距離と意味",
    "word " * 300,
    "a",
]


@pytest.mark.parametrize("kind", BACKBONES)
class TestEveryFamily:
    def test_vectors_are_the_masked_mean_of_the_backbone(self, kind: str) -> None:
        encoder = tiny_encoder(kind)
        expected = []
        for text in TEXTS:
            ids = torch.tensor(encoder.tokenizer(text, truncation=True, max_length=128)["input_ids"])[None]
            with torch.no_grad():
                states = encoder.backbone(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state
            mean = states[0].mean(dim=0)
            expected.append((mean / mean.norm()).numpy())
        np.testing.assert_allclose(encoder.encode(TEXTS), np.stack(expected), atol=1e-5)

    def test_order_batch_size_and_padding_change_nothing(self, kind: str) -> None:
        encoder = tiny_encoder(kind)
        vectors = encoder.encode(TEXTS)
        assert vectors.shape == (len(TEXTS), 32)
        assert vectors.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
        ids = encoder.tokenize(TEXTS[:1])[0]
        padding = 100 - len(ids)
        with torch.inference_mode():
            padded = encoder(torch.tensor([ids + [1] * padding]), torch.tensor([[1] * len(ids) + [0] * padding]))[1]
        np.testing.assert_allclose(padded[0].numpy(), vectors[0], atol=1e-5)
        for other in (encoder.encode(TEXTS[::-1])[::-1], encoder.encode(TEXTS, 1), encoder.encode(TEXTS, batch_size=2)):
            np.testing.assert_allclose(other, vectors, atol=1e-5)

    def test_saved_and_loaded_is_equal(self, kind: str, tmp_path: Path) -> None:
        encoder = tiny_encoder(kind, max_length=40)
        encoder.save(tmp_path)
        loaded = SentenceEncoder.load(tmp_path)
        assert (loaded.pooling, loaded.dim, loaded.max_length) == ("mean", 32, 40)
        np.testing.assert_allclose(loaded.encode(TEXTS), encoder.encode(TEXTS), atol=1e-6)


@pytest.mark.parametrize(("kind", "pooling"), [("bert", "mean"), ("bert", "cls"), ("roberta", "mean")])
def test_sentence_transformers_gives_equal_vectors(kind: str, pooling: PoolingKind, tmp_path: Path) -> None:
    encoder = tiny_encoder(kind, pooling, max_length=64)
    encoder.save(tmp_path)
    reference = SentenceTransformer(str(tmp_path), device="cpu", local_files_only=True)
    assert reference.max_seq_length == 64
    np.testing.assert_allclose(encoder.encode(TEXTS), reference.encode(TEXTS, batch_size=2), atol=1e-5)


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_pooling_of_a_sentence_transformers_folder_is_kept(pooling: PoolingKind, tmp_path: Path) -> None:
    tiny_encoder("bert", pooling).save(tmp_path)
    (tmp_path / "decant_encoder.json").unlink()
    assert SentenceEncoder.load(tmp_path).pooling == pooling


def test_unsupported_pooling(tmp_path: Path) -> None:
    tiny_encoder("bert").save(tmp_path)
    (tmp_path / "decant_encoder.json").unlink()
    (tmp_path / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode": "median"}))
    with pytest.raises(InputError, match="pooling 'median' is not known; cls, max, mean, mean_sqrt_len_tokens"):
        SentenceEncoder.load(tmp_path)


def test_bare_backbone_is_pooled_by_mean(tmp_path: Path) -> None:
    encoder = SentenceEncoder.load(tiny_backbone_folder(tmp_path, "electra"))
    assert (encoder.pooling, encoder.max_length, encoder.layers, encoder.hidden_size) == ("mean", 128, 4, 32)


def test_dse_pooling_is_saved_but_never_as_another(tmp_path: Path) -> None:
    encoder = tiny_encoder("bert", "concat_top_mean")
    encoder.save(tmp_path)
    assert not (tmp_path / "modules.json").exists()
    loaded = SentenceEncoder.load(tmp_path)
    assert (loaded.pooling, loaded.dim) == ("concat_top_mean", 128)
    np.testing.assert_allclose(loaded.encode(TEXTS), encoder.encode(TEXTS), atol=1e-6)


def test_cut_keeps_the_first_dimensions(tmp_path: Path) -> None:
    whole, cut = tiny_encoder("bert").encode(TEXTS), tiny_encoder("bert", dim=8)
    expected = whole[:, :8] / np.linalg.norm(whole[:, :8], axis=1, keepdims=True)
    np.testing.assert_allclose(cut.encode(TEXTS), expected, atol=1e-5)
    cut.save(tmp_path)
    loaded = SentenceEncoder.load(tmp_path)
    np.testing.assert_allclose(loaded.encode(TEXTS), expected, atol=1e-5)
    assert SentenceEncoder.load(tmp_path, pooling="cls").dim == 32, "a cut of other vectors is not taken over"


@pytest.mark.parametrize("dim", [0, -1, 33])
def test_cut_outside_the_width(dim: int) -> None:
    with pytest.raises(InputError, match=rf"dim {dim} is outside 1\.\.32"):
        tiny_encoder("bert", dim=dim)


def test_nothing_to_encode() -> None:
    encoder = tiny_encoder("bert")
    assert encoder.encode([]).shape == (0, 32)
    assert encoder.encode([""]).shape == (1, 32)
    assert encoder.tokenize([""]) == [[0, 2]]


@pytest.mark.parametrize("max_length", [0, 2, 129, 100_000])
def test_max_length_outside_what_the_model_takes(tmp_path: Path, max_length: int) -> None:
    folder = tiny_backbone_folder(tmp_path, "bert", num_hidden_layers=1)
    with pytest.raises(InputError, match=rf"max_length {max_length} is outside 3\.\.128"):
        SentenceEncoder.load(folder, max_length=max_length)


def test_positions_limit_the_length(tmp_path: Path) -> None:
    folder = tiny_backbone_folder(tmp_path, "roberta", num_hidden_layers=1, max_position_embeddings=50)
    assert SentenceEncoder.load(folder).max_length == 48, "roberta's positions start at 2"
    assert SentenceEncoder.load(folder).encode(["word " * 300]).shape == (1, 32)


def test_encoding_keeps_the_mode_and_counts_progress() -> None:
    encoder = tiny_encoder("bert").train()
    finished: list[int] = []
    encoder.encode(TEXTS, batch_size=4, progress=finished.append)
    assert encoder.training
    assert encoder.backbone.training
    assert finished == [4, 2]


def test_a_loaded_encoder_is_in_eval_mode_and_stays_so(tmp_path: Path) -> None:
    tiny_encoder("bert", "cls+mean").save(tmp_path)
    encoder = SentenceEncoder.load(tmp_path, dropout=0.5, for_training=True)
    assert not any(module.training for module in encoder.modules())
    first = encoder.encode(TEXTS)
    assert not any(module.training for module in encoder.modules())
    np.testing.assert_array_equal(encoder.encode(TEXTS), first)
    encoder.train().encode(TEXTS)
    assert encoder.training, "encoding leaves the mode as it was"
