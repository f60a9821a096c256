"""The table before training: what model2vec's start says, computed by hand."""

from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast

from students.static.start_table import frequencies, silent_tokens, spelled_tokens, start_table
from students.static.static_tokenizer import static_tokenizer_of, word_pieces
from tests.tiny_models import tiny_encoder, tiny_tokenizer

TEXTS = ["a man is eating food", "a man plays a guitar", "the cat sits"]


def _encode(texts):  # type: ignore[no-untyped-def]
    return np.stack([np.random.default_rng(len(text) * 131 + ord(text[0])).normal(size=6) for text in texts]).astype(
        "f4"
    )


def test_rows_are_centred_unit_and_weighed_by_how_rare_they_are() -> None:
    tokenizer = static_tokenizer_of(tiny_tokenizer(), (), 0, 1, 32)
    encoder = start_table(tokenizer, _encode, TEXTS, 0.01)
    table = encoder.backbone.embeddings.weight.detach().numpy()
    spelled, silent = spelled_tokens(tokenizer), silent_tokens(tokenizer)
    numbers = sorted(spelled)
    vectors = _encode([spelled[number] for number in numbers])
    vectors = vectors - vectors.mean(0)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    ids = [number for text in TEXTS for number in tokenizer(text, add_special_tokens=False)["input_ids"]]
    share = np.bincount(ids, minlength=len(tokenizer)) / len(ids)
    expected = vectors * (0.01 / (0.01 + share[numbers]))[:, None]
    np.testing.assert_allclose(table[numbers], expected, rtol=1e-4)
    assert not table[silent].any()
    assert {tokenizer.convert_ids_to_tokens(number) for number in silent} >= {"[PAD]", "[UNK]", "[CLS]", "[SEP]"}
    np.testing.assert_allclose(frequencies(tokenizer, TEXTS), share, rtol=1e-5)


def test_a_basis_turns_the_rows() -> None:
    tokenizer = static_tokenizer_of(tiny_tokenizer(), (), 0, 1, 32)
    axes = np.linalg.qr(np.random.default_rng(0).normal(size=(6, 6)))[0].astype("f4")
    whole = start_table(tokenizer, _encode, TEXTS, 0.01).backbone.embeddings.weight.detach().numpy()
    turned = start_table(tokenizer, _encode, TEXTS, 0.01, axes).backbone.embeddings.weight.detach().numpy()
    np.testing.assert_allclose(turned, whole @ axes, atol=1e-5)


@pytest.mark.parametrize("kind", ["bert", "roberta"])
def test_a_text_is_read_without_special_tokens(kind: str) -> None:
    teacher = tiny_encoder(kind).tokenizer
    tokenizer = static_tokenizer_of(teacher, (), 0, 1, 32)
    expected = teacher(TEXTS, add_special_tokens=False)["input_ids"]
    assert tokenizer(TEXTS)["input_ids"] == expected


def test_pieces_are_spelled_without_their_prefix() -> None:
    spelled = spelled_tokens(static_tokenizer_of(tiny_tokenizer(), (), 0, 1, 32))
    assert not any(text.startswith("##") or text != text.strip() for text in spelled.values())


def test_a_tokenizer_of_bytes_that_are_no_text_is_refused(tmp_path: Path) -> None:
    halves = {chr(0x100 + 0x20 + number): number for number in range(60)}
    content = Tokenizer(models.WordLevel({"[UNK]": 99, "a": 98, **halves}, unk_token="[UNK]"))
    content.decoder = __import__("tokenizers").decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=content, unk_token="[UNK]", pad_token="[UNK]")
    with pytest.raises(ValueError, match="cannot encode single tokens"):
        spelled_tokens(tokenizer)


def test_a_whole_word_starts_as_the_sum_of_its_pieces() -> None:
    tokenizer = static_tokenizer_of(tiny_tokenizer(), ["zebras love jazz"] * 3, 2, 1, 32)
    pieces = word_pieces(tokenizer, 2)
    table = start_table(tokenizer, _encode, TEXTS, 0.01, None, pieces).backbone.embeddings.weight.detach().numpy()
    for word, parts in pieces.items():
        np.testing.assert_allclose(table[word], table[list(parts)].sum(0), atol=1e-6)
