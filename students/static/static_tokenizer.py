"""The tokenizer of a static student: its teacher's pieces, and whole words of the texts beside them.

A word that has a row of its own is taken whole; any other is spelled by the pieces, as the teacher spells it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from decant.errors import InputError

PIECES = 16_000  # of a tokenizer that is made anew, at most
UNKNOWN, PADDING = "[UNK]", "[PAD]"


def static_tokenizer_of(
    teacher: PreTrainedTokenizerFast, texts: Sequence[str], words: int, min_count: int, max_length: int
) -> PreTrainedTokenizerFast:
    """A tokenizer that adds no special tokens, and cuts at max_length.

    A teacher's WordPiece keeps its pieces and gets the words. Beside words, other kinds give way to a WordPiece that is
    learned from the texts, lower-cased where the teacher does not tell case.

    Args:
        texts: where words are counted; not read where none are wanted.
        words: how many to add, the most frequent ones.
        min_count: how often such a word must stand in the texts.

    Raises:
        InputError: the texts hold fewer words.
    """
    own = Tokenizer.from_str(teacher.backend_tokenizer.to_str())
    if words:
        own = _with_words(own, teacher, texts, words, min_count)
    content = json.loads(own.to_str())
    content |= {"post_processor": None, "truncation": None, "padding": None}
    made = Tokenizer.from_str(json.dumps(content))
    padding = str(teacher.pad_token) if made.token_to_id(str(teacher.pad_token)) is not None else PADDING
    named = {"pad_token": padding, "unk_token": _unknown(made), "model_max_length": max_length}
    return PreTrainedTokenizerFast(
        tokenizer_object=made, **{key: value for key, value in named.items() if value is not None}
    )


def word_pieces(tokenizer: PreTrainedTokenizerFast, words: int) -> dict[int, tuple[int, ...]]:
    """Number of each whole word's token → those of the pieces that spell it.

    Args:
        words: how many words the tokenizer has beside its pieces; they are its last tokens.
    """
    if not words:
        return {}
    content = json.loads(tokenizer.backend_tokenizer.to_str())
    vocabulary: dict[str, int] = content["model"]["vocab"]
    added = sorted(vocabulary, key=vocabulary.__getitem__)[-words:]
    content["model"]["vocab"] = {token: number for token, number in vocabulary.items() if token not in set(added)}
    pieces = Tokenizer.from_str(json.dumps(content | {"truncation": None, "normalizer": None, "pre_tokenizer": None}))
    spelled = pieces.encode_batch_fast(added, add_special_tokens=False)
    unknown = pieces.token_to_id(str(tokenizer.unk_token))
    found = {vocabulary[word]: tuple(one.ids) for word, one in zip(added, spelled, strict=True)}
    return {number: ids for number, ids in found.items() if unknown not in ids}


def check_words(teacher: PreTrainedTokenizerFast, texts: Iterable[str], words: int, min_count: int) -> list[str]:
    """The most frequent words of the texts that the teacher has no piece of, as its tokenizer splits them, falling.

    Raises:
        InputError: there are fewer than `words`.
    """
    own = teacher.backend_tokenizer
    kind, known = json.loads(own.to_str())["model"]["type"], own.get_vocab()
    pieces = known if kind == "WordPiece" else {}
    counter = Tokenizer(models.WordLevel(unk_token=UNKNOWN))
    counter.normalizer, counter.pre_tokenizer = _steps(teacher)
    trainer = trainers.WordLevelTrainer(vocab_size=words + len(pieces), min_frequency=min_count, show_progress=False)
    counter.train_from_iterator(texts, trainer)
    found = [word for word, _ in sorted(counter.get_vocab().items(), key=lambda one: one[1]) if word not in pieces]
    if len(found) < words:
        raise InputError(
            f"student.words: {words:,} are asked for, but {len(found):,} beside the teacher's tokens stand in "
            f"the texts {min_count} times; lower words or min_count"
        )
    return found[:words]


def _with_words(
    own: Tokenizer, teacher: PreTrainedTokenizerFast, texts: Sequence[str], words: int, min_count: int
) -> Tokenizer:
    found = check_words(teacher, texts, words, min_count)
    content = json.loads(own.to_str())
    if content["model"]["type"] != "WordPiece":
        content = _word_pieces(teacher, texts)
    vocabulary: dict[str, int] = content["model"]["vocab"]
    next_id = 1 + max([*vocabulary.values(), *(one["id"] for one in content["added_tokens"])])
    new = [word for word in found if word not in vocabulary]
    vocabulary |= {word: next_id + place for place, word in enumerate(new)}
    return Tokenizer.from_str(json.dumps(content))


def _word_pieces(teacher: PreTrainedTokenizerFast, texts: Sequence[str]) -> dict[str, Any]:
    made = Tokenizer(models.WordPiece(unk_token=UNKNOWN))
    made.normalizer, made.pre_tokenizer = _steps(teacher)
    trainer = trainers.WordPieceTrainer(
        vocab_size=PIECES, special_tokens=[PADDING, UNKNOWN], show_progress=False, min_frequency=2
    )
    made.train_from_iterator(texts, trainer)
    content: dict[str, Any] = json.loads(made.to_str())
    return content


def _steps(teacher: PreTrainedTokenizerFast) -> tuple[Any, Any]:
    """How texts are normalised and split into words: as a WordPiece teacher does it, else as BERT does."""
    own = teacher.backend_tokenizer
    if isinstance(own.model, models.WordPiece):
        return own.normalizer, own.pre_tokenizer
    cased = teacher("Word").input_ids != teacher("word").input_ids
    return normalizers.BertNormalizer(lowercase=not cased), pre_tokenizers.BertPreTokenizer()


def _unknown(tokenizer: Tokenizer) -> str | None:
    model = json.loads(tokenizer.to_str())["model"]
    if isinstance(model.get("unk_id"), int):
        return tokenizer.id_to_token(model["unk_id"])
    token = model.get("unk_token")
    return token if isinstance(token, str) else None
