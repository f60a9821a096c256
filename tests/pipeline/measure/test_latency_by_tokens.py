from collections.abc import Callable, Sequence

import pytest

from pipeline.measure.latency_by_tokens import latency_by_tokens, length_steps, texts_of_tokens
from pipeline.measure.speed import SpeedSettings, percentiles_ms

WORDS = [f"word{index} of a sentence" for index in range(50)]


def by_words(most: int = 512) -> Callable[[Sequence[str]], list[list[int]]]:
    """A token a word, two of six letters or more, and two specials; cut to `most`."""
    return lambda texts: [
        [0, *(1 for word in text.split() for _ in range(1 + (len(word) > 5))), 2][:most] for text in texts
    ]


def by_characters(texts: Sequence[str]) -> list[list[int]]:
    return [[0, *map(ord, text.replace(" ", "")), 2] for text in texts]


@pytest.mark.parametrize("tokens", [8, 32, 128])
def test_texts_are_running_words_of_exactly_so_many_tokens(tokens: int) -> None:
    tokenize = by_words()
    made = texts_of_tokens(WORDS, tokens, tokenize)
    assert made
    assert all(len(ids) == tokens for ids in tokenize(made))
    assert len(set(made)) == len(made)
    known = {word for text in WORDS for word in text.split()}
    assert all(set(text.split()[:-1]) <= known for text in made)  # the last may be cut between its tokens
    assert all(any(word.startswith(text.split()[-1]) for word in known) for text in made)


def test_the_tokenizers_limit_itself_is_reached_and_not_far_exceeded() -> None:
    made = texts_of_tokens(WORDS, 64, by_words(most=64))
    assert made
    assert max(len(text.split()) for text in made) <= 63


def test_texts_without_spaces_are_cut_between_characters() -> None:
    made = texts_of_tokens(["距離と意味を測る文です"] * 3, 16, by_characters, most=2)
    assert [len(ids) for ids in by_characters(made)] == [16, 16]


def test_no_text_where_none_has_just_so_many_tokens() -> None:
    assert texts_of_tokens(["abc"], 9, lambda texts: [[0] * (2 * len(text)) for text in texts]) == []


def test_each_length_and_model_gets_its_own_median() -> None:
    now = 0.0

    def encode(texts: Sequence[str]) -> None:
        nonlocal now
        (text,) = texts
        now += 0.001 * len(text)

    settings = SpeedSettings(length_rounds=3, warmup=1, pause_ms=0)
    found = latency_by_tokens({"a": encode}, {8: ["x" * 5], 3: ["x" * 2]}, settings, lambda: now)
    medians = {tokens: percentiles_ms(timed.seconds).p50 for tokens, timed in found["a"].items()}
    assert medians == {"3": pytest.approx(2), "8": pytest.approx(5)}
    assert list(found["a"]) == ["3", "8"]
    assert all(timed.steadiness.spread == pytest.approx(0, abs=1e-9) for timed in found["a"].values())


def test_progress_counts_a_long_text_as_several() -> None:
    settings, told = SpeedSettings(length_rounds=3, warmup=1, pause_ms=0), list[tuple[int, str]]()
    latency_by_tokens(
        {"a": len, "b": len}, {8: ["x"], 64: ["y"]}, settings, lambda: 0.0,
        lambda done, note="", /: told.append((done, note)),
    )  # fmt: skip
    assert {note for _, note in told} == {"a", "b"}
    assert sum(done for done, _ in told) == length_steps(settings, [8, 64], 2) == 2 * 4 * (1 + 4)
