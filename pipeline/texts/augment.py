"""More texts for a teacher that labels whatever string it gets: spans, joins and dropped words of the texts given."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence

import numpy as np
from numpy.random import Generator
from pydantic import BaseModel, Field

from pipeline.texts.sentences import fold, leak_key

SHORTEST_SPAN = 3  # words
SHORTEST_TEXT = 2  # words

Words = list[str]


class AugmentSettings(BaseModel, frozen=True, extra="forbid"):
    """How many new texts are tried for each text given; 0 switches a kind off."""

    spans: float = Field(0.5, ge=0, le=100, description="runs of at least 3 words of one text, tried per text")
    joins: float = Field(0.25, ge=0, le=100, description="two texts with a space between them, tried per text")
    dropped: float = Field(0.25, ge=0, le=100, description="texts with some of their words left out, tried per text")
    drop_probability: float = Field(0.2, gt=0, lt=1, description="probability with which each word is left out")


def augment(texts: Sequence[str], settings: AugmentSettings, seed: int, exclude: Collection[str] = ()) -> list[str]:
    """New texts made from the given ones: spans, then dropped words, then joins.

    `round(amount · texts)` texts of each kind are tried, spread evenly over the texts in random order. What is no new
    text is left out, so that fewer may come: one that stands in `texts` or came before, is shorter than 2 words, or
    cannot be made at all (a span of 3 words). Each kind has random numbers of its own: the amount of one does not
    change what another draws.

    Args:
        seed: not negative; the same texts, settings and seed give the same result.
        exclude: texts of held-out sets, which must not come out in any case or white space.
    """
    known = {fold(text) for text in texts}
    held_out = {leak_key(text) for text in exclude}
    words = [text.split() for text in texts]
    kinds: list[tuple[float, Callable[[int, Generator], Words]]] = [
        (settings.spans, lambda index, generator: _span(words[index], generator)),
        (settings.dropped, lambda index, generator: _dropped(words[index], settings.drop_probability, generator)),
        (settings.joins, lambda index, generator: _join(words, index, generator)),
    ]
    made: dict[str, None] = {}  # an ordered set
    for number, (amount, make) in enumerate(kinds):
        generator = np.random.default_rng([seed, number])
        for index in _sources(len(texts), amount, generator):
            new = make(index, generator)
            text = " ".join(new)
            if len(new) >= SHORTEST_TEXT and text not in known and leak_key(text) not in held_out:
                made[text] = None
    return list(made)


def _sources(texts: int, amount: float, generator: Generator) -> Iterator[int]:
    """Numbers of texts, each ⌊amount⌋ or ⌈amount⌉ times."""
    return iter(np.resize(generator.permutation(texts), round(amount * texts)).tolist())


def _span(words: Words, generator: Generator) -> Words:
    """A run of 3 to all but one of the words; none where there are fewer than 4."""
    if len(words) <= SHORTEST_SPAN:
        return []
    length = int(generator.integers(SHORTEST_SPAN, len(words)))
    start = int(generator.integers(len(words) - length + 1))
    return words[start : start + length]


def _dropped(words: Words, probability: float, generator: Generator) -> Words:
    kept = generator.random(len(words)) >= probability
    return [word for word, keep in zip(words, kept, strict=True) if keep]


def _join(words: Sequence[Words], index: int, generator: Generator) -> Words:
    """The text and another one behind it; none where there is no other."""
    if len(words) < 2:
        return []
    other = int(generator.integers(len(words) - 1))
    return words[index] + words[other + (other >= index)]
