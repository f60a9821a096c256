"""How long one text takes by its length in tokens."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import cycle, islice

from decant.progress import Advance
from pipeline.measure.rounds import Clock, Rounds, Timed, batches_of, time_rounds
from pipeline.measure.speed import Encode, SpeedSettings, evenly_spaced

CHARACTERS = 20  # a token at most, on average over a text
WORD = 16  # characters in which the last word may end
TEXTS = 4  # of each length
USUAL_TOKENS = 16  # of a text, as progress counts them


def latency_by_tokens(
    encoders: Mapping[str, Encode],
    texts: Mapping[int, Sequence[str]],
    settings: SpeedSettings,
    clock: Clock = time.perf_counter,
    advance: Advance | None = None,
) -> dict[str, dict[str, Timed]]:
    """Time one text of each length, tokenizer included, all models in turns.

    Args:
        encoders: by row name.
        texts: of each length in tokens, at least one.
        settings: rounds and rest.
        clock: returns seconds.
        advance: told of each model as it is timed; counts `length_steps` in all.

    Returns:
        By row name, then by length, as a string, ascending.
    """
    found: dict[str, dict[str, Timed]] = {name: {} for name in encoders}
    for tokens in sorted(texts):
        calls = {name: batches_of(encode, texts[tokens], 1) for name, encode in encoders.items()}
        rounds = _rounds(settings, tokens, len(texts[tokens]))
        for name, timed in time_rounds(calls, rounds, settings, clock, advance).items():
            found[name][str(tokens)] = timed
    return found


def length_steps(settings: SpeedSettings, lengths: Iterable[int], models: int) -> int:
    """What `latency_by_tokens` counts of so many models, added rounds left out."""
    return models * sum(_rounds(settings, tokens).steps for tokens in lengths)


def _rounds(settings: SpeedSettings, tokens: int, texts: int = 1) -> Rounds:
    """A long text counts as several."""
    return Rounds(settings.length_rounds, min(settings.warmup, 1), texts, max(1, tokens // USUAL_TOKENS))


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
