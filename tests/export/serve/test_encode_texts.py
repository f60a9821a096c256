from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest
import torch

from decant.errors import InputError
from decant.models.encoder import SentenceEncoder
from decant.models.pooling import PoolingKind
from export.serve import encode_texts
from export.serve.encode_texts import fast_encode
from teachers.labels.vector_store import teacher_vectors
from tests.export.conftest import TEXTS
from tests.tiny_models import tiny_encoder

MANY = 10**6


def only_onnxruntime(encoder: SentenceEncoder, monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on, an encoder that is asked for vectors itself is found out."""
    monkeypatch.setattr(encoder, "encode", lambda *args, **options: pytest.fail("torch encoded"))


@pytest.mark.parametrize("pooling", ["mean", "cls", "concat_top_mean"])
def test_many_texts_are_encoded_by_onnxruntime(
    pooling: PoolingKind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = tiny_encoder("bert", pooling, dim=24, max_length=40)
    expected, weights = encoder.encode(TEXTS), copy.deepcopy(encoder.state_dict())
    encode = fast_encode(encoder, MANY, tmp_path / "new", "fp32")
    only_onnxruntime(encoder, monkeypatch)
    finished: list[int] = []
    np.testing.assert_allclose(encode(TEXTS, finished.append), expected, atol=1e-5)
    assert sum(finished) == len(TEXTS)
    assert list((tmp_path / "new").iterdir()) == []
    assert all(torch.equal(weight, weights[name]) for name, weight in encoder.state_dict().items())


@pytest.mark.parametrize("max_length", [9, 100])
def test_texts_are_cut_at_the_encoders_length(max_length: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = tiny_encoder("roberta", max_length=max_length, num_hidden_layers=1)
    encoder.tokenizer.model_max_length = 50  # of the tokenizer alone; neither of both lengths
    expected = encoder.encode(TEXTS)
    encode = fast_encode(encoder, MANY, tmp_path, "fp32")
    only_onnxruntime(encoder, monkeypatch)
    np.testing.assert_allclose(encode(TEXTS, lambda done: None), expected, atol=1e-5)
    assert encoder.tokenizer.model_max_length == 50


def test_few_texts_are_encoded_by_torch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encode_texts, "export_encoder", lambda *args: pytest.fail("exported"))
    encoder = tiny_encoder(num_hidden_layers=1)
    finished: list[int] = []
    found = fast_encode(encoder, encode_texts.EXPORT_TEXTS - 1, tmp_path, "fp32")(TEXTS, finished.append)
    np.testing.assert_array_equal(found, encoder.encode(TEXTS))
    assert sum(finished) == len(TEXTS)


def test_what_cannot_be_exported_is_encoded_by_torch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("export.graphs.to_onnx.LARGEST_BYTES", 1000)
    encoder = tiny_encoder(num_hidden_layers=1)
    with pytest.raises(InputError, match="GiB of weights; one ONNX file holds at most 2"):
        encode_texts.export_encoder(encoder, tmp_path / "model.onnx")
    found = fast_encode(encoder, MANY, tmp_path / "new", "fp32")(TEXTS, lambda done: None)
    np.testing.assert_array_equal(found, encoder.encode(TEXTS))
    assert list((tmp_path / "new").iterdir()) == []


def test_vectors_of_a_corpus(tmp_path: Path) -> None:
    encoder = tiny_encoder(num_hidden_layers=1)
    store = teacher_vectors(TEXTS, fast_encode(encoder, MANY, tmp_path, "fp32"), tmp_path / "vectors", encoder.dim)
    found = store.take(np.arange(len(TEXTS)))
    np.testing.assert_allclose(found, encoder.encode(TEXTS), atol=2**-10)


def test_bfloat16_is_close_to_float32_and_not_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encode_texts, "export_encoder", lambda *args: pytest.fail("exported"))
    encoder = tiny_encoder(num_hidden_layers=2)
    expected = encoder.encode(TEXTS)
    finished: list[int] = []
    found = fast_encode(encoder, MANY, tmp_path, "bf16")(TEXTS, finished.append)
    assert sum(finished) == len(TEXTS)
    assert found.dtype == np.float32
    cosines = (found * expected).sum(axis=1)
    assert 0.999 < cosines.min()
    assert np.abs(found - expected).max() > 1e-5


@pytest.mark.parametrize(("native", "precision"), [(True, "bf16"), (False, "fp32")])
def test_auto_takes_bfloat16_where_it_is_native(native: bool, precision: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encode_texts, "bfloat16_is_native", lambda: native)
    assert encode_texts.encoding_precision("auto") == precision
    assert encode_texts.encoding_precision("fp32") == "fp32"
