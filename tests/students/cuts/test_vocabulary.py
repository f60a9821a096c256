from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors
from torch import nn
from transformers import (
    AutoModel,
    AutoTokenizer,
    BertTokenizer,
    DebertaV2Tokenizer,
    GPT2Config,
    GPT2Model,
    MPNetTokenizer,
    PreTrainedTokenizerFast,
    RobertaTokenizer,
    XLMRobertaTokenizer,
)

from decant.batches import padded
from decant.errors import InputError
from decant.models.encoder import SentenceEncoder
from students.cuts.start import shrink
from students.cuts.vocabulary import check_vocabulary, listed_texts, prune_vocabulary, vocabulary_size
from students.cuts.vocabulary_settings import VocabularySettings
from students.distill.distill_pairs import new_student
from tests.students.conftest import settings
from tests.tiny_models import BACKBONES, WORDS, tiny_backbone, tiny_encoder, tiny_tokenizer

ALL = VocabularySettings()
TEXTS = ["a cat and a dog", "the river in the park", "two women walking on grass", "a big house", "play the guitar"]
OTHERS = [
    "", " ", "🙂👩‍👩‍👧 ok", "日本語のテキスト", "Ünïcödé naïve", "electroencephalography street",
    "[MASK] <mask> [unused1]", "\x00\x07", "white " * 2000,
]  # fmt: skip
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789.,'-[]"
LONG = [*WORDS, "women", "walking", "streets"]


def word_pieces(first: list[str]) -> dict[str, int]:
    pieces = [*first, *LETTERS, *(f"##{letter}" for letter in LETTERS), "##ing", "##ed", "##er", *LONG, "[unused1]"]
    return {piece: number for number, piece in enumerate(dict.fromkeys(pieces))}


def byte_pieces(first: list[str]) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Whole words, with and without a space before them, letter by letter."""
    merges: dict[tuple[str, str], None] = {}
    for word in LONG:
        for spelled in (f"Ġ{word}", word):
            for end in range(1, len(spelled)):
                merges[spelled[:end], spelled[end]] = None
    pieces = [*first, *sorted(pre_tokenizers.ByteLevel.alphabet()), *("".join(pair) for pair in merges)]
    return {piece: number for number, piece in enumerate(dict.fromkeys(pieces))}, list(merges)


def scored_pieces(first: list[str], last: list[str]) -> list[tuple[str, float]]:
    words = [f"▁{word}" for word in LONG] + ["ing", "▁wa", "▁s"]
    pieces = {piece: -2.0 - 0.1 * number for number, piece in enumerate(words)} | dict.fromkeys(["▁", *LETTERS], -9.0)
    return [(piece, 0.0) for piece in first] + list(pieces.items()) + [("▁zebra", -30.0)] + [(one, 0.0) for one in last]


def modern_bert() -> PreTrainedTokenizerFast:
    """Special tokens at the end, as ModernBERT has them, and others that are no words but match before any merge."""
    vocabulary, merges = byte_pieces([])
    tokenizer = Tokenizer(models.BPE(vocabulary, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_tokens([AddedToken("|||PHONE|||", normalized=True), AddedToken("  ", normalized=True)])
    tokenizer.add_special_tokens(["[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]"])
    ids = {token: tokenizer.token_to_id(token) for token in ("[CLS]", "[SEP]")}
    tokenizer.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", "[CLS] $A [SEP] $B", list(ids.items()))
    roles = {f"{role}_token": f"[{role.upper()}]" for role in ("unk", "cls", "sep", "pad", "mask")}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=128, **roles)


def own_tokenizer(kind: str) -> PreTrainedTokenizerFast:
    """A small tokenizer of the class that the family's models are loaded with."""
    fairseq = ["<s>", "<pad>", "</s>", "<unk>"]
    if kind == "mpnet":
        vocabulary = word_pieces([*fairseq, "[unused0]", "[UNK]"])
        return MPNetTokenizer(vocab=vocabulary | {"<mask>": len(vocabulary)}, model_max_length=128)
    if kind == "roberta":
        vocabulary, merges = byte_pieces(fairseq)
        vocabulary |= {"<mask>": len(vocabulary)}
        return RobertaTokenizer(vocab=vocabulary, merges=merges, model_max_length=128)
    if kind == "xlm-roberta":
        return XLMRobertaTokenizer(vocab=scored_pieces(fairseq, ["<mask>"]), model_max_length=128)
    if kind == "deberta-v2":  # its mask is beyond the model's own pieces
        return DebertaV2Tokenizer(vocab=scored_pieces(["[PAD]", "[CLS]", "[SEP]", "[UNK]"], []), model_max_length=128)
    if kind == "modernbert":
        return modern_bert()
    first = ["[PAD]", "[unused0]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    return BertTokenizer(vocab=word_pieces(first), model_max_length=128)


def own_encoder(kind: str) -> SentenceEncoder:
    tokenizer = own_tokenizer(kind)
    ids = {"pad_token_id": tokenizer.pad_token_id, "vocab_size": len(tokenizer) + 3}  # rows that no token has
    if kind in {"roberta", "xlm-roberta", "mpnet", "modernbert"}:
        ids |= {"bos_token_id": tokenizer.cls_token_id, "eos_token_id": tokenizer.sep_token_id}
    if kind == "modernbert":
        ids |= {"cls_token_id": tokenizer.cls_token_id, "sep_token_id": tokenizer.sep_token_id}
    backbone = tiny_backbone(kind, num_hidden_layers=2, **ids)
    return SentenceEncoder(backbone, tokenizer, "mean", 128).eval()


def tiny(kind: str) -> SentenceEncoder:
    return tiny_encoder(kind, num_hidden_layers=2)


SOURCES = pytest.mark.parametrize("make", [own_encoder, tiny], ids=["own", "plain"])
FAMILIES = pytest.mark.parametrize("kind", BACKBONES)


def pieces(encoder: SentenceEncoder, texts: list[str]) -> list[list[str]]:
    return [encoder.tokenizer.convert_ids_to_tokens(row) for row in encoder.tokenize(texts)]


def table(encoder: SentenceEncoder) -> nn.Embedding:
    return encoder.backbone.get_input_embeddings()


def random_texts(count: int) -> list[str]:
    """Words, pieces of words, and characters that may be in no vocabulary."""
    generator = np.random.default_rng(0)
    parts = [*LONG, *LETTERS, "é", "日", "🙂", " ", " ", " ", "wal", "stre", "A", "#"]
    return ["".join(generator.choice(parts, size=12)) for _ in range(count)]


@SOURCES
@FAMILIES
def test_texts_whose_pieces_stay_are_read_as_before(kind: str, make: Callable[[str], SentenceEncoder]) -> None:
    encoder = make(kind)
    pruned = prune_vocabulary(encoder, TEXTS, ALL)
    assert len(pruned.tokenizer) < len(encoder.tokenizer)
    mixed = [*TEXTS, " ".join(9 * TEXTS[:1]), "a cat in the park", TEXTS[2]]
    assert pieces(pruned, mixed) == pieces(encoder, mixed)
    np.testing.assert_allclose(pruned.encode(mixed), encoder.encode(mixed), atol=1e-6)
    ids, mask = padded(pruned.tokenize(mixed), int(pruned.tokenizer.pad_token_id))
    longer = torch.nn.functional.pad(ids, (0, 9), value=int(pruned.tokenizer.pad_token_id))
    with torch.inference_mode():
        vectors = pruned(longer, torch.nn.functional.pad(mask, (0, 9)))[1]
    np.testing.assert_allclose(vectors.numpy(), encoder.encode(mixed), atol=2e-6)


@SOURCES
@FAMILIES
def test_other_texts_fall_back_and_never_fail(kind: str, make: Callable[[str], SentenceEncoder]) -> None:
    encoder = make(kind)
    pruned = prune_vocabulary(encoder, TEXTS, ALL)
    texts = [*OTHERS, *random_texts(300)]
    before, after, vocabulary = pieces(encoder, texts), pieces(pruned, texts), set(pruned.tokenizer.get_vocab())
    kept = [set(row) <= vocabulary for row in before]
    assert any(kept)
    assert not all(kept)
    assert all(old == new for old, new, stays in zip(before, after, kept, strict=True) if stays)
    unknown = encoder.tokenizer.unk_token
    for text, old, new in zip(texts, before, after, strict=True):
        if len(new) < 128:
            assert [old.count(unknown), len(old)] <= [new.count(unknown), len(new)], text
            assert old.count(unknown) == new.count(unknown), text
    vectors = pruned.encode(texts)
    assert np.isfinite(vectors).all()
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


@SOURCES
@FAMILIES
def test_the_table_and_every_number_go_together(kind: str, make: Callable[[str], SentenceEncoder]) -> None:
    encoder = make(kind)
    weights = {name: weight.clone() for name, weight in encoder.state_dict().items()}
    pruned = prune_vocabulary(encoder, TEXTS, ALL)
    own, new = encoder.tokenizer.get_vocab(), pruned.tokenizer.get_vocab()
    assert sorted(new.values()) == list(range(len(new)))
    assert pruned.backbone.config.vocab_size == table(pruned).num_embeddings == len(new)
    for token, number in new.items():
        assert torch.equal(table(pruned).weight[number], table(encoder).weight[own[token]]), token
    counts = [sum(parameter.numel() for parameter in one.parameters()) for one in (encoder, pruned)]
    lost = table(encoder).num_embeddings - len(new)
    assert lost > 10
    assert counts[0] - counts[1] == lost * table(encoder).embedding_dim
    assert encoder.tokenizer.special_tokens_map == pruned.tokenizer.special_tokens_map
    token_of = {number: token for token, number in own.items()}
    for name in ("pad_token_id", "bos_token_id", "eos_token_id", "cls_token_id", "sep_token_id"):
        old = getattr(encoder.backbone.config, name, None)
        assert getattr(pruned.backbone.config, name, None) == (None if old is None else new[token_of[old]])
    if table(encoder).padding_idx is not None:
        assert table(pruned).padding_idx == new[token_of[table(encoder).padding_idx]]
    assert all(torch.equal(weight, weights[name]) for name, weight in encoder.state_dict().items())
    assert encoder.tokenizer.get_vocab() == own


@SOURCES
@FAMILIES
def test_a_saved_one_is_read_alike_by_all(kind: str, make: Callable[[str], SentenceEncoder], tmp_path: Path) -> None:
    pruned = prune_vocabulary(make(kind), TEXTS, ALL)
    pruned.save(tmp_path)
    texts = [*TEXTS, *OTHERS, *random_texts(50)]
    loaded, vectors = SentenceEncoder.load(tmp_path), pruned.encode(texts)
    assert loaded.tokenize(texts) == pruned.tokenize(texts)
    np.testing.assert_array_equal(loaded.encode(texts), vectors)
    tokenizer = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    tokenizer.enable_truncation(128)
    tokenizer.no_padding()
    assert [row.ids for row in tokenizer.encode_batch(texts)] == pruned.tokenize(texts)
    plain = AutoTokenizer.from_pretrained(tmp_path)
    batch = plain(TEXTS, padding=True, return_tensors="pt")
    with torch.inference_mode():
        model = AutoModel.from_pretrained(tmp_path).eval()
        states = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).last_hidden_state
    means = (states * batch["attention_mask"][..., None]).sum(dim=1)
    np.testing.assert_allclose(nn.functional.normalize(means, dim=-1).numpy(), vectors[: len(TEXTS)], atol=2e-6)
    assert vocabulary_size(tmp_path) == len(pruned.tokenizer)
    assert not list(tmp_path.glob("vocab*")) + list(tmp_path.glob("merges*"))  # none with the old numbers


def test_nothing_is_dropped_where_all_is_needed() -> None:
    encoder = own_encoder("bert")
    every = [token for token in encoder.tokenizer.get_vocab() if not token.startswith(("##", "["))]
    pruned = prune_vocabulary(encoder, [*every, "xing xed xer"], ALL)
    gone = encoder.tokenizer.get_vocab().keys() - pruned.tokenizer.get_vocab().keys()
    assert gone == {"[unused0]", "[unused1]"}


def words_of(encoder: SentenceEncoder) -> set[str]:
    return {token for token in encoder.tokenizer.get_vocab() if len(token.removeprefix("##")) > 1 and token[0] != "["}


def counted(changes: dict[str, Any], texts: list[str], listed: list[str] | None = None) -> set[str]:
    return words_of(prune_vocabulary(own_encoder("bert"), texts, VocabularySettings(**changes), listed or []))


def test_how_often_a_token_must_be_needed() -> None:
    texts = ["dog dog cat walking", "dog cat river", "playing playing"]
    assert counted({}, texts) == {"dog", "cat", "walking", "river", "play", "##ing"}
    assert counted({"min_count": 2}, texts) == {"dog", "cat", "play", "##ing"}
    assert counted({"min_count": 3}, texts) == {"dog"}
    assert counted({"min_count": 3}, texts, ["river", "white house"]) == {"dog", "river", "white", "house"}
    assert counted({}, [], ["river"]) == {"river"}


def test_no_more_tokens_than_asked_for() -> None:
    texts = ["dog dog dog cat", "river cat river river river", "park"]
    base = len(prune_vocabulary(own_encoder("bert"), ["a"], ALL).tokenizer)
    for size, kept in {0: set(), 1: {"river"}, 2: {"river", "dog"}, 3: {"river", "dog", "cat"}}.items():
        assert counted({"size": base + size}, texts) == kept
    assert counted({"size": 9999}, texts) == {"river", "dog", "cat", "park"}
    assert counted({"size": base + 1}, texts, ["cat"] * 3) == {"cat"}  # listed ones count with the others


def test_size_counts_what_a_merge_is_made_of() -> None:
    encoder = own_encoder("roberta")
    base = len(prune_vocabulary(encoder, ["!"], ALL).tokenizer)
    river = {"Ġr", "Ġri", "Ġriv", "Ġrive", "Ġriver"}
    for more, kept in {0: set(), 1: {"Ġa"}, 4: {"Ġa"}, 5: river, 6: river | {"Ġa"}, 9: river | {"Ġa"}}.items():
        how = VocabularySettings(size=base + more)
        tokens = prune_vocabulary(encoder, [" river river river", " a"], how).tokenizer.get_vocab()
        assert {token for token in tokens if token[0] == "Ġ" and len(token) > 1} == kept


def test_texts_are_counted_whole() -> None:
    encoder = own_encoder("bert")
    encoder.max_length = 4
    assert "river" in words_of(prune_vocabulary(encoder, ["a dog and a cat in a river"], ALL))


def test_a_padding_token_that_positions_start_from_does_not_move() -> None:
    first = ["<s>", "white", "</s>", "<unk>", "street", "<pad>"]  # no text needs two of those below the padding
    vocabulary, merges = byte_pieces(first)
    moved = RobertaTokenizer(vocab=vocabulary, merges=merges, model_max_length=100)
    assert moved.pad_token_id == 5
    backbone = tiny_backbone("roberta", num_hidden_layers=2, vocab_size=len(moved), pad_token_id=5)
    encoder = SentenceEncoder(backbone, moved, "mean", 100).eval()
    pruned = prune_vocabulary(encoder, TEXTS, ALL)
    assert pruned.tokenizer.pad_token_id == pruned.backbone.config.pad_token_id == 5
    assert len(pruned.tokenizer) < len(moved)
    np.testing.assert_allclose(pruned.encode(TEXTS), encoder.encode(TEXTS), atol=1e-6)


def test_shrinking_prunes_first_and_training_starts_from_it(tmp_path: Path) -> None:
    encoder = own_encoder("bert")
    small = shrink(encoder, (1,), 10, TEXTS, 0, ALL, ["river street"])
    assert (small.layers, small.backbone.config.intermediate_size) == (1, 10)
    assert "street" in small.tokenizer.get_vocab()
    assert "white" not in small.tokenizer.get_vocab()
    encoder.save(tmp_path)
    student = new_student(tmp_path, 1, settings(vocabulary=ALL), 0, TEXTS, listed=["river street"])
    assert student.encoder.tokenizer.get_vocab() == small.tokenizer.get_vocab()
    whole = new_student(tmp_path, 1, settings(vocabulary=ALL), 0)  # as of an embedded student, which is pruned already
    assert len(whole.encoder.tokenizer) == len(encoder.tokenizer)


def test_a_pruned_one_can_be_trained() -> None:
    encoder = own_encoder("bert").train()
    pruned = prune_vocabulary(encoder, TEXTS, ALL)
    assert pruned.training
    pruned(*padded(pruned.tokenize(TEXTS), 0))[1].sum().backward()
    assert table(pruned).weight.grad.abs().sum() > 0
    assert table(encoder).weight.grad is None
    pruned.requires_grad_(False)
    assert not table(prune_vocabulary(pruned, TEXTS, ALL)).weight.requires_grad


def test_reads_a_list(tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("\ufeffriver\n\n  white house \r\nüber\n", encoding="utf-8")
    assert listed_texts(VocabularySettings(keep_from="words.txt"), tmp_path) == ["river", "white house", "über"]
    assert listed_texts(VocabularySettings(keep_from=str(tmp_path / "words.txt")), Path("elsewhere"))[0] == "river"
    assert listed_texts(ALL, tmp_path) == listed_texts(None, tmp_path) == []


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, r"words.txt cannot be read \(No such file or directory\); give a file of one text or word a line"),
        (b"", r"words.txt is empty; give one text or word a line, or leave keep_from out"),
        (b" \n\t\n", r"words.txt is empty"),
        (b"caf\xe9\n", r"words.txt is not a text file in UTF-8"),
    ],
)
def test_refuses_a_list_that_cannot_be_read(content: bytes | None, said: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "words.txt").write_bytes(content)
    with pytest.raises(InputError, match=said):
        listed_texts(VocabularySettings(keep_from="words.txt"), tmp_path)


def test_refuses_what_cannot_be_pruned(tmp_path: Path) -> None:
    encoder = own_encoder("bert")
    with pytest.raises(InputError, match="a vocabulary is pruned to what texts need, and none is given"):
        prune_vocabulary(encoder, [], ALL)
    with pytest.raises(InputError, match=r"size 50 is below the \d+ tokens that any text is spelled with"):
        prune_vocabulary(encoder, TEXTS, VocabularySettings(size=50))
    other = SentenceEncoder(GPT2Model(GPT2Config(n_embd=8, n_layer=1, n_head=1)), tiny_tokenizer("roberta"))
    with pytest.raises(InputError, match="the vocabulary of a 'gpt2' model cannot be pruned; bert, roberta"):
        prune_vocabulary(other, TEXTS, ALL)
    words = Tokenizer(models.WordLevel({"[UNK]": 0, "a": 1}, unk_token="[UNK]"))
    level = copy.copy(encoder)
    level.tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, unk_token="[UNK]", pad_token="[UNK]")
    with pytest.raises(InputError, match="a WordLevel tokenizer cannot be pruned; WordPiece, BPE, Unigram can"):
        prune_vocabulary(level, TEXTS, ALL)
    level.tokenizer.save_pretrained(tmp_path)
    encoder.backbone.config.save_pretrained(tmp_path)
    with pytest.raises(InputError, match="a WordLevel tokenizer cannot be pruned"):
        check_vocabulary(tmp_path, ALL)


def test_refuses_a_tokenizer_of_another_model() -> None:
    foreign = SentenceEncoder(tiny_backbone("bert", vocab_size=60), own_tokenizer("bert"))
    with pytest.raises(
        InputError, match=r"does not match the model: it gives ids up to \d+, but the token table has 60 r"
    ):
        prune_vocabulary(foreign, TEXTS, ALL)
    foreign = SentenceEncoder(tiny_backbone("bert", vocab_size=999, pad_token_id=900), own_tokenizer("bert"))
    with pytest.raises(InputError, match="does not match the model: id 900 is used by its config or post-processing"):
        prune_vocabulary(foreign, TEXTS, ALL)


def test_refuses_a_class_that_adds_tokens_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = own_encoder("bert")
    monkeypatch.setattr("students.cuts.vocabulary.load_tokenizer", lambda folder: own_tokenizer("bert"))
    with pytest.raises(InputError, match="a BertTokenizer cannot be pruned: it puts tokens of its own beside"):
        prune_vocabulary(encoder, TEXTS, ALL)


def test_a_model_that_can_be_pruned_passes(tmp_path: Path) -> None:
    for kind in BACKBONES:
        own_encoder(kind).save(tmp_path / kind)
        check_vocabulary(tmp_path / kind, ALL)
        with pytest.raises(InputError, match="size 5 is below the"):
            check_vocabulary(tmp_path / kind, VocabularySettings(size=5))
