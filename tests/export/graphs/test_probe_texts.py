from __future__ import annotations

import pytest

from decant.errors import InputError
from export.graphs.probe_texts import texts_of_every_length
from tests.tiny_models import BACKBONES, tiny_encoder

GIVEN = ["A man is playing a guitar on the street.", "Two dogs run in the park, near the river!", "", "a"]


@pytest.mark.parametrize("kind", BACKBONES)
def test_every_length_is_there(kind: str) -> None:
    encoder = tiny_encoder(kind, num_hidden_layers=1)
    texts = texts_of_every_length(GIVEN, encoder.tokenize, 128)
    assert {len(ids) for ids in encoder.tokenize(texts)} == set(range(2, 129))
    assert len(texts) == 500
    assert texts[0] == ""


def characters(texts: list[str]) -> list[list[int]]:
    """Two specials, and a token a character that is no space; cut at 20."""
    return [[0, *map(ord, text.replace(" ", "")), 1][:20] for text in texts]


def test_every_length_is_there_without_special_tokens() -> None:
    def plain(texts: list[str]) -> list[list[int]]:
        return [[*map(ord, text.replace(" ", ""))][:20] or [0] for text in texts]

    texts = texts_of_every_length(["lengthy words throughout, x"], plain, 20, count=5)
    assert [len(ids) for ids in plain(texts)] == list(range(1, 21))


def test_fewer_texts_than_lengths_gives_one_a_length() -> None:
    texts = texts_of_every_length(["to be or not to be x"], characters, 20, count=5)
    assert [len(ids) for ids in characters(texts)] == list(range(2, 21))


def test_longest_text_gets_cut() -> None:
    assert len(texts_of_every_length(["to be or not"], characters, 20, count=1)[-1]) > 20


def test_same_texts_each_time() -> None:
    first, second = (texts_of_every_length(GIVEN, characters, 20) for _ in range(2))
    assert first == second


def test_others_are_spread_over_the_given_ones() -> None:
    given = [f"text number {n} " + "word " * 40 for n in range(100)]
    others = texts_of_every_length(given, characters, 20, count=19 + 4)[19:]
    assert [text.split()[2] for text in others] == ["0", "25", "50", "75"]
    assert {len(text.split()) for text in others} == {32}


def test_words_of_two_tokens_cannot_make_odd_lengths() -> None:
    def pairs(texts: list[str]) -> list[list[int]]:
        return [[0, *[7] * (2 * len(text.split())), 1][:20] for text in texts]

    with pytest.raises(InputError, match="no word of the given texts is a single token"):
        texts_of_every_length(["to be"], pairs, 20)


def test_texts_without_words() -> None:
    with pytest.raises(InputError, match="parity needs texts with words in them; none were given"):
        texts_of_every_length(["", "  "], characters, 20)
