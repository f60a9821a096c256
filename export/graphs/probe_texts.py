"""Texts of every token length: a graph that is right for one length may be wrong for another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

from decant.errors import InputError

Tokenize = Callable[[Sequence[str]], list[list[int]]]
WORDS_OF_OTHERS = 32  # texts beyond one a length are short, as texts mostly are, so that the check stays cheap


def texts_of_every_length(
    texts: Sequence[str], tokenize: Tokenize, max_length: int, count: int = 500, lengths: Sequence[int] | None = None
) -> list[str]:
    """At least `count` texts of every length from only specials to `max_length`, in the given ones' words.

    The one of `max_length` tokens is longer and gets cut. Deterministic.

    Args:
        texts: one or more, the kind of text that the model is for.
        tokenize: texts → token ids, specials included, cut at `max_length`.
        max_length: tokens, specials included.
        count: texts in all; fewer than there are lengths gives one text a length.
        lengths: in tokens, those between the shortest and the longest, ascending; None: every one.

    Raises:
        InputError: there are no words in the texts, or the tokenizer cannot make every length of them.
    """
    words = [word for text in texts for word in text.split()]
    if not words:
        raise InputError("parity needs texts with words in them; none were given")
    shortest = len(tokenize([""])[0])
    targets = [n for n in lengths or range(max_length) if shortest < n < max_length]
    overlong = _window(words, 0, 2 * max_length)
    made = ["", *_of_lengths(words, targets, tokenize), overlong]
    wanted = [shortest, *targets, max_length]
    wrong = [n for n, ids in zip(wanted, tokenize(made), strict=True) if len(ids) != n]
    if wrong:
        raise InputError(f"no text of {wrong[0]} tokens could be made of the given ones; give others for parity")
    return made + _others(texts, max(0, count - len(made)))


def _of_lengths(words: Sequence[str], targets: Sequence[int], tokenize: Tokenize) -> list[str]:
    """One text a target length: about as many words as fit, then single-token words."""
    taken = list(targets)  # a word is one token or more
    starts = [7 * n % len(words) for n in targets]  # so that the texts differ in more than their ends
    while True:
        made = [_window(words, start, size) for start, size in zip(starts, taken, strict=True)]
        lengths = [len(ids) for ids in tokenize(made)]
        over = [max(0, length - n) for length, n in zip(lengths, targets, strict=True)]
        if not any(over):
            break
        taken = [max(0, size - (extra + 3) // 4) for size, extra in zip(taken, over, strict=True)]
    filler = _filler(words, tokenize)
    if not all(made):  # an empty text is as long as one token where a tokenizer adds none
        made = [text or f" {filler}" for text in made]
        lengths = [len(ids) for ids in tokenize(made)]
    short_by = [n - length for n, length in zip(targets, lengths, strict=True)]
    return [text + f" {filler}" * missing for text, missing in zip(made, short_by, strict=True)]


def _filler(words: Sequence[str], tokenize: Tokenize) -> str:
    """A word that is one token more each time it is repeated."""
    for word in dict.fromkeys(["the", "a", "x", "1", ".", *words]):
        lengths = [len(ids) for ids in tokenize([f" {word}" * times for times in range(1, 6)])]
        if all(after == before + 1 for before, after in pairwise(lengths)):
            return word
    raise InputError("no word of the given texts is a single token, so texts of every length cannot be made")


def _window(words: Sequence[str], start: int, size: int) -> str:
    return " ".join(words[(start + offset) % len(words)] for offset in range(size))


def _others(texts: Sequence[str], count: int) -> list[str]:
    """First words of `count` texts spread over the given ones; if these are few, one word fewer a round."""
    spread = len(texts) >= count
    rows = [index * len(texts) // count if spread else index % len(texts) for index in range(count)]
    words = [texts[row].split()[:WORDS_OF_OTHERS] for row in rows]
    return [" ".join(some[: max(1, len(some) - index // len(texts))]) for index, some in enumerate(words)]
