"""What stays of a tokenizer.json, worked out by hand on a few tokens of each kind."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tokenizers import AddedToken, Tokenizer, models, processors

from decant.errors import InputError
from students.cuts.tokenizer_json import Chains, base_tokens, check_model, tokens_of, without_the_others


def parsed(model: Any, specials: tuple[str, ...] = ()) -> dict[str, Any]:
    tokenizer = Tokenizer(model)
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in specials])
    return json.loads(tokenizer.to_str())


def word_piece(*pieces: str) -> dict[str, Any]:
    return parsed(models.WordPiece({piece: i for i, piece in enumerate(pieces)}, unk_token="[UNK]"), ("[UNK]",))


def bpe(merges: list[tuple[str, str]], letters: str = "abcd") -> dict[str, Any]:
    pieces = list(dict.fromkeys([*letters, *("".join(pair) for pair in merges)]))
    return parsed(models.BPE({piece: i for i, piece in enumerate(pieces)}, merges), ("<s>",))


def unigram(pieces: dict[str, float], unknown: int | None = 0) -> dict[str, Any]:
    return parsed(models.Unigram(list(pieces.items()), unk_id=unknown), ("<s>",))


def named(content: dict[str, Any], tokens: set[int]) -> set[str]:
    return {tokens_of(content)[number] for number in tokens}


def reads(content: dict[str, Any], text: str) -> list[str]:
    return Tokenizer.from_str(json.dumps(content)).encode(text).tokens


def test_word_piece_keeps_both_forms_of_a_character() -> None:
    content = word_piece("[UNK]", "[unused1]", "a", "b", "##a", "##b", "ab", "##ba", "aba")
    assert named(content, base_tokens(content)) == {"[UNK]", "[unused1]", "a", "b", "##a", "##b"}  # no [ by itself


def test_a_character_that_is_no_token_keeps_what_holds_it() -> None:
    content = word_piece("[UNK]", "a", "b", "##b", "ba", "bb", "##ab")
    assert named(content, base_tokens(content)) == {"[UNK]", "a", "b", "##b", "ba", "##ab"}  # there is no ##a
    content = unigram({"<unk>": 0.0, "a": -1.0, "ab": -2.0, "aa": -3.0, "<0x0A>": -2.0})
    assert named(content, base_tokens(content)) == {
        "<s>",
        "<unk>",
        "a",
        "ab",
        "aa",
        "<0x0A>",
    }  # aa has the lowest score


def test_unigram_keeps_the_lowest_score() -> None:
    content = unigram({"<unk>": 0.0, "a": -1.0, "b": -2.0, "aa": -9.0, "ba": -3.0, "bb": -9.0})
    kept = sorted(base_tokens(content))
    assert named(content, set(kept)) == {"<s>", "<unk>", "a", "b", "aa"}
    assert without_the_others(content, kept)["model"]["vocab"] == [
        ["<unk>", 0.0], ["a", -1.0], ["b", -2.0], ["aa", -9.0],
    ]  # fmt: skip


def test_unigram_prefers_an_unknown_character_as_before() -> None:
    """xb is -12 as one piece, against unknown x (the lowest score, -20, less 10) and b."""
    content = unigram({"<unk>": 0.0, "b": -2.0, "xb": -12.0, "bb": -20.0, "bbb": -3.0})
    kept = sorted(base_tokens(content))
    assert named(content, set(kept)) == {"<s>", "<unk>", "b", "xb", "bb"}
    assert reads(content, "xb") == reads(without_the_others(content, kept), "xb") == ["xb"]


def test_a_merged_token_keeps_every_way_to_it() -> None:
    merges = [("b", "c"), ("a", "b"), ("a", "bc"), ("ab", "c"), ("c", "d"), ("abc", "d")]
    content = bpe(merges)
    number = content["model"]["vocab"]
    found = Chains(content).of({number["abc"]})
    assert named(content, found) == {"abc", "bc", "ab", "a", "b", "c"}
    kept = without_the_others(content, sorted(found | base_tokens(content)))
    assert kept["model"]["merges"] == [["b", "c"], ["a", "b"], ["a", "bc"], ["ab", "c"]]
    assert reads(content, "abc") == reads(kept, "abc") == ["abc"]
    assert (reads(content, "abcd"), reads(kept, "abcd")) == (["abcd"], ["abc", "d"])


def test_numbers_are_changed_wherever_they_stand() -> None:
    content = word_piece("[UNK]", "gone", "[CLS]", "g", "##o", "##n", "##e", "[PAD]")
    tokenizer = Tokenizer.from_str(json.dumps(content))
    tokenizer.add_special_tokens(["[CLS]", "[PAD]", "[NEW]"])
    template = processors.TemplateProcessing("[CLS] $A [NEW]", "[CLS] $A $B", [("[CLS]", 2), ("[NEW]", 8)])
    tokenizer.post_processor = processors.Sequence([template, processors.RobertaProcessing(("[NEW]", 8), ("[CLS]", 2))])
    tokenizer.enable_padding(pad_id=7, pad_token="[PAD]")
    content = json.loads(tokenizer.to_str())
    kept = without_the_others(content, sorted(base_tokens(content)))
    assert {token["content"]: token["id"] for token in kept["added_tokens"]} == {
        "[UNK]": 0, "[CLS]": 1, "[PAD]": 6, "[NEW]": 7,
    }  # fmt: skip
    first, second = kept["post_processor"]["processors"]
    assert {name: token["ids"] for name, token in first["special_tokens"].items()} == {"[CLS]": [1], "[NEW]": [7]}
    assert (second["sep"], second["cls"]) == (["[NEW]", 7], ["[CLS]", 1])
    assert kept["padding"]["pad_id"] == 6
    assert kept["model"]["vocab"] == {"[UNK]": 0, "[CLS]": 1, "g": 2, "##o": 3, "##n": 4, "##e": 5, "[PAD]": 6}


def test_what_post_processing_puts_in_stays() -> None:
    content = word_piece("[UNK]", "a", "b", "##a", "##b", "ab", "ba")
    content["post_processor"] = {"type": "BertProcessing", "sep": ["ab", 5], "cls": ["a", 1]}
    assert named(content, base_tokens(content)) == {"[UNK]", "a", "b", "##a", "##b", "ab"}


def test_refuses_other_kinds() -> None:
    with pytest.raises(InputError, match="a WordLevel tokenizer cannot be pruned; WordPiece, BPE, Unigram can"):
        check_model(parsed(models.WordLevel({"a": 0}, unk_token="a")))
    marked = models.BPE({"a": 0, "b</w>": 1, "ab</w>": 2}, [("a", "b</w>")], end_of_word_suffix="</w>")
    with pytest.raises(InputError, match="a BPE tokenizer with end_of_word_suffix cannot be pruned"):
        check_model(parsed(marked))
