"""New texts are made of the given ones, come out the same by seed, and are new."""

from typing import Any

import numpy as np
import pytest

from pipeline.texts.augment import AugmentSettings, augment

TEXTS = [" ".join(f"w{text}.{word}" for word in range(4 + text % 9)) for text in range(40)]


def only(**amounts: float) -> AugmentSettings:
    return AugmentSettings.model_validate({"spans": 0, "joins": 0, "dropped": 0} | amounts)


def test_the_seed_decides() -> None:
    settings = AugmentSettings()
    assert augment(TEXTS, settings, 3) == augment(TEXTS, settings, 3)
    assert augment(TEXTS, settings, 3) != augment(TEXTS, settings, 4)


@pytest.mark.parametrize("seed", range(20))
def test_texts_are_new_distinct_and_of_two_words_or_more(seed: int) -> None:
    generator = np.random.default_rng(seed)
    texts = [" ".join(generator.choice(["a", "b", "c"], generator.integers(1, 6))) for _ in range(60)]
    made = augment(texts, only(spans=3, joins=3, dropped=3), seed)
    assert made
    assert len(set(made)) == len(made)
    assert not set(made) & set(texts)
    assert min(len(text.split(" ")) for text in made) >= 2


def test_spans_are_runs_of_three_words_to_all_but_one() -> None:
    made = augment(TEXTS, only(spans=5), 0)
    lengths = set()
    for text in made:
        words = text.split()
        whole = next(other for other in TEXTS if words[0] in other.split()).split()
        start = whole.index(words[0])
        assert words == whole[start : start + len(words)]
        assert len(words) < len(whole)
        lengths.add(len(words))
    assert lengths == set(range(3, 12))


def test_joins_are_two_texts_and_every_text_is_tried_equally_often() -> None:
    pairs = [(a, b) for a in TEXTS for b in TEXTS if a != b]
    whole = {f"{a} {b}": a for a, b in pairs}
    firsts = [whole[text] for text in augment(TEXTS, only(joins=1), 0)]
    assert sorted(firsts) == sorted(TEXTS)
    every = ["a b", "a c", "b a", "b c", "c a", "c b"]
    assert sorted(augment(["a", "b", "c"], only(joins=50), 0)) == every  # never one with itself
    assert len(augment(TEXTS, only(joins=0.25), 0)) == 10


def test_dropped_words_leave_the_rest_in_order_at_the_stated_rate() -> None:
    texts = [" ".join(f"{text}.{word}" for word in range(100)) for text in range(100)]
    made = augment(texts, only(dropped=1, drop_probability=0.3), 0)
    assert len(made) == 100
    kept = []
    for text in made:
        numbers = [int(word.partition(".")[2]) for word in text.split()]
        assert numbers == sorted(set(numbers))
        assert len({word.partition(".")[0] for word in text.split()}) == 1
        kept.append(len(numbers))
    assert np.mean(kept) == pytest.approx(70, abs=2)  # of 100 texts; its standard deviation is 0.46


def test_a_kind_draws_the_same_whatever_the_others_do() -> None:
    spans, dropped, joins = (augment(TEXTS, only(**{kind: 1}), 7) for kind in ("spans", "dropped", "joins"))
    assert augment(TEXTS, only(spans=1, dropped=1, joins=1), 7) == list(dict.fromkeys(spans + dropped + joins))


def test_nothing_is_switched_on() -> None:
    assert augment(TEXTS, only(), 0) == []


def test_what_cannot_be_made_is_left_out() -> None:
    assert augment(["one two three"], only(spans=9, joins=9), 0) == []
    assert augment(["one two"], only(dropped=50, drop_probability=0.5), 0) == []
    assert augment([], only(spans=1, joins=1, dropped=1), 0) == []


def test_held_out_texts_do_not_come_out() -> None:
    every = augment(["A b c d e"], only(spans=100), 0)
    assert sorted(every) == ["A b c", "A b c d", "b c d", "b c d e", "c d e"]
    assert sorted(augment(["A b c d e"], only(spans=100), 0, exclude=["a  B c", "x", "C d e"])) == [
        "A b c d", "b c d", "b c d e",
    ]  # fmt: skip


def test_white_space_of_the_input_makes_no_new_text() -> None:
    settings = only(dropped=100, drop_probability=0.01)
    assert augment(["a  b\tc d", "a b c"], settings, 0) == augment(["a b c d", "a b c"], settings, 0)


@pytest.mark.parametrize("given", [{"spans": -1}, {"joins": 101}, {"drop_probability": 0}, {"drop_probability": 1}])
def test_amounts_out_of_range(given: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="greater than|less than"):
        AugmentSettings.model_validate(given)
