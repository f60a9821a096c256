"""How long one text takes by its length in tokens."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from itertools import cycle, islice

from pipeline.measure.speed import (
    Clock,
    Encode,
    SpeedSettings,
    batches_of,
    evenly_spaced,
    percentiles_ms,
    time_interleaved,
)

CHARACTERS = 20  # a token at most, on average over a text
WORD = 16  # characters in which the last word may end
TEXTS = 4  # of each length


def latency_by_tokens(
    encoders: Mapping[str, Encode],
    texts: Mapping[int, Sequence[str]],
    settings: SpeedSettings,
    clock: Clock = time.perf_counter,
) -> dict[str, dict[str, float]]:
    """Median milliseconds for one text, tokenizer included, all models in turns.

    Args:
        encoders: by row name.
        texts: of each length in tokens, at least one.
        settings: rounds and rest.
        clock: returns seconds.

    Returns:
        By row name, then by length, as a string, ascending.
    """
    found: dict[str, dict[str, float]] = {name: {} for name in encoders}
    for tokens in sorted(texts):
        calls = {name: batches_of(encode, texts[tokens], 1) for name, encode in encoders.items()}
        timed = time_interleaved(calls, settings.length_rounds, min(settings.warmup, 1), clock, settings.rest)
        for name, seconds in timed.items():
            found[name][str(tokens)] = percentiles_ms(seconds).p50
    return found


def texts_of_tokens(
    texts: Sequence[str], tokens: int, tokenize: Callable[[Sequence[str]], Sequence[Sequence[int]]], most: int = TEXTS
) -> list[str]:
    """Running text of exactly so many tokens, specials included, made of some texts one after the other.

    Args:
        texts: real ones; the made ones begin with some of these, at even distances.
        tokens: of each, at most what the tokenizer cuts a text to.
        tokenize: texts to token ids.
        most: texts to make.

    Returns:
        At most so many; none where no beginning has just so many tokens.
    """
    made = []
    for start in evenly_spaced(range(len(texts)), most):
        supply = " ".join(islice(cycle([*texts[start:], *texts[:start]]), tokens))[: CHARACTERS * tokens]

        def count(end: int, supply: str = supply) -> int:
            return len(tokenize([supply[:end]])[0])

        shortest = bisect_left(range(len(supply) + 1), tokens, key=count)
        ends = [end for end in range(shortest, min(shortest + WORD, len(supply)) + 1) if count(end) == tokens]
        made += [supply[: ends[-1]]] if ends else []
    return made
