"""Words beside the teacher's pieces: taken whole where they have a row, spelled as before where they have none."""

import pytest

from students.static.static_tokenizer import check_words, static_tokenizer_of, word_pieces
from tests.tiny_models import tiny_encoder, tiny_tokenizer

TEXTS = ["zebras love jazz music"] * 4 + ["zebras love xylophones"] * 3 + ["once upon a quokka"]


def test_the_most_frequent_words_without_a_piece_are_added() -> None:
    teacher = tiny_tokenizer()
    found = check_words(teacher, TEXTS, 2, 1)
    assert all(word not in teacher.get_vocab() for word in found)
    tokenizer = static_tokenizer_of(teacher, TEXTS, 2, 1, 32)
    assert len(tokenizer) == len(teacher) + 2
    assert tokenizer.tokenize("zebras love quokka")[0] == "zebras"
    assert tokenizer.tokenize("quokka") == teacher.tokenize("quokka")


def test_a_word_in_capitals_is_the_same_word_where_the_teacher_lowers_them() -> None:
    tokenizer = static_tokenizer_of(tiny_tokenizer(), TEXTS, 1, 1, 32)
    assert tokenizer("ZEBRAS")["input_ids"] == tokenizer("zebras")["input_ids"]


def test_more_words_than_the_texts_hold_are_refused() -> None:
    with pytest.raises(ValueError, match=r"student.words: 500 are asked for, but \d+ .* stand in the texts 2 times"):
        static_tokenizer_of(tiny_tokenizer(), TEXTS, 500, 2, 32)


def test_another_kind_of_teacher_gives_way_to_pieces_of_the_texts() -> None:
    teacher = tiny_encoder("roberta").tokenizer
    tokenizer = static_tokenizer_of(teacher, TEXTS * 3, 4, 2, 32)
    assert {"zebras", "love"} <= set(tokenizer.get_vocab())
    assert tokenizer.unk_token_id not in tokenizer("jazz zebras quokka once")["input_ids"]
    assert tokenizer.pad_token_id is not None


def test_words_are_made_of_the_pieces_that_spelled_them() -> None:
    teacher = tiny_tokenizer()
    tokenizer = static_tokenizer_of(teacher, TEXTS, 3, 1, 32)
    pieces = word_pieces(tokenizer, 3)
    for number, ids in pieces.items():
        word = tokenizer.convert_ids_to_tokens(number)
        assert list(ids) == teacher(word, add_special_tokens=False)["input_ids"]
    assert word_pieces(tokenizer, 0) == {}
