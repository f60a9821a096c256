from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from sentence_transformers import SentenceTransformer

from decant.errors import GateError
from decant.models.encoder import SentenceEncoder
from decant.models.quantized import Quantize, quantized_kind
from export.quantize.save_quantized import save_quantized
from export.serve.encode_texts import fast_encode
from tests.bnb_extra import needs_bitsandbytes
from tests.export.conftest import TEXTS
from tests.tiny_models import tiny_encoder

pytestmark = needs_bitsandbytes


def _a_weight(encoder: SentenceEncoder) -> None:
    encoder.backbone.embeddings.word_embeddings.weight.data[20, 3] += 2**-20


def _the_pooling(encoder: SentenceEncoder) -> None:
    encoder.pooling = "cls"


@pytest.fixture(scope="module")
def encoder() -> SentenceEncoder:
    """A tiny BERT of a width that nf4 takes."""
    return tiny_encoder(dim=24, max_length=64, hidden_size=64, intermediate_size=128)


@pytest.mark.parametrize("kind", ["nf4", "int8"])
def test_what_is_read_gives_the_vectors_that_were_written(
    kind: Quantize, encoder: SentenceEncoder, tmp_path: Path
) -> None:
    read = save_quantized(encoder, tmp_path, kind, TEXTS)
    assert (quantized_kind(read.backbone), read.dim, read.max_length) == (kind, 24, 64)
    again = SentenceEncoder.load(tmp_path)
    np.testing.assert_allclose(again.encode(TEXTS), read.encode(TEXTS), atol=1e-5)
    expected = encoder.encode(TEXTS)
    assert 0.9 < np.einsum("td,td->t", read.encode(TEXTS), expected).min() < 0.99999
    assert quantized_kind(encoder.backbone) is None, "the given encoder is not changed"
    stated = json.loads((tmp_path / "config.json").read_text())["quantization_config"]
    assert (stated["load_in_4bit"], stated["load_in_8bit"]) == (kind == "nf4", kind == "int8")
    with safe_open(tmp_path / "model.safetensors", "pt") as file:
        weight = file.get_slice("encoder.layer.0.intermediate.dense.weight")
    assert weight.get_dtype() == {"nf4": "U8", "int8": "I8"}[kind]
    assert np.prod(weight.get_shape()) == 128 * 64 // (2 if kind == "nf4" else 1)


def test_int8_loads_in_sentence_transformers(encoder: SentenceEncoder, tmp_path: Path) -> None:
    read = save_quantized(tiny_encoder(), tmp_path, "int8")
    peer = SentenceTransformer(str(tmp_path), device="cpu")
    np.testing.assert_allclose(peer.encode(TEXTS[:1]), read.encode(TEXTS[:1]), atol=1e-5)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (_a_weight, r"1 nf4 weights were read otherwise than written, such as \['backbone\.embeddings\.word_emb"),
        (_the_pooling, r"the nf4 weights that were read give '.*' another vector, of cosine 0\.\d+ to the one before"),
    ],
)
def test_what_is_read_otherwise_is_a_failed_gate(
    damage: Callable[[SentenceEncoder], None], said: str, encoder: SentenceEncoder, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    load = SentenceEncoder.load.__func__  # type: ignore[attr-defined]

    def damaged(cls: type[SentenceEncoder], reference: Path, **options: object) -> SentenceEncoder:
        found: SentenceEncoder = load(cls, reference, **options)
        if reference == tmp_path:
            damage(found)
        return found

    monkeypatch.setattr(SentenceEncoder, "load", classmethod(damaged))
    with pytest.raises(GateError, match=said):
        save_quantized(encoder, tmp_path, "nf4", TEXTS)


def test_a_quantized_encoder_is_never_exported_to_label(encoder: SentenceEncoder, tmp_path: Path) -> None:
    read = save_quantized(encoder, tmp_path / "nf4", "nf4")
    texts = TEXTS[:2]
    encode = fast_encode(read, 10**6, tmp_path / "work", "fp32")
    assert np.array_equal(encode(texts, lambda done: None), read.encode(texts))
    assert not (tmp_path / "work").exists()
    in_bf16 = fast_encode(read, 10**6, tmp_path / "work", "bf16")(texts, lambda done: None)
    assert 0.999 < np.einsum("td,td->t", in_bf16, read.encode(texts)).min() < 1
