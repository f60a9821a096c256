"""Which logit stands for which class, by what a config says."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

from decant.errors import InputError
from teachers.cross_encoders.class_names import CANONICAL, SPELLINGS, class_order, stated_names

FOLDER = Path("model")
CONFIG = FOLDER / "config.json"
NLI = ("entailment", "neutral", "contradiction")


def test_no_spelling_stands_for_two_classes() -> None:
    every = list(itertools.chain.from_iterable(SPELLINGS))
    assert len(set(every)) == len(every) == len(CANONICAL)
    assert all(spelling == spelling.lower() and " " not in spelling and "-" not in spelling for spelling in every)


@pytest.mark.parametrize(
    ("names", "wanted", "order"),
    [
        (("contradiction", "entailment", "neutral"), NLI, (1, 2, 0)),
        (("ENTAILMENT", "NEUTRAL", "CONTRADICTION"), NLI, (0, 1, 2)),
        (("C", "E", "N"), NLI, (1, 2, 0)),
        (("Contradicts", "entails", " neutral "), NLI, (1, 2, 0)),
        (("entailment", "not_entailment"), ("non-entailment", "entailment"), (1, 0)),
        (("Not Entailment", "Entailment"), ("entailment", "not_entailment"), (1, 0)),
        (("duplicate", "not duplicate"), ("not_duplicate", "duplicate"), (1, 0)),
        (("paraphrase", "non-paraphrase"), ("not_paraphrase", "paraphrase"), (1, 0)),
        (("equivalent", "not_equivalent"), ("NOT_EQUIVALENT", "EQUIVALENT"), (1, 0)),
        (("similar", "dissimilar"), ("not_similar", "similar"), (1, 0)),
        (("relevant", "not relevant"), ("irrelevant", "relevant"), (1, 0)),
        (("pos", "neg"), ("negative", "positive"), (1, 0)),
        (("yes", "no"), ("No", "Yes"), (1, 0)),
        (("True", "False"), ("0", "1"), (1, 0)),
        (("1", "0"), ("0", "1"), (1, 0)),
        (("same", "near", "apart"), ("apart", "near", "same"), (2, 1, 0)),
        (("n", "y"), ("y", "n"), (1, 0)),
        (("a", "A", "b"), ("A", "b", "a"), (1, 2, 0)),
    ],
)
def test_names_are_matched(names: tuple[str, ...], wanted: tuple[str, ...], order: tuple[int, ...]) -> None:
    assert class_order(FOLDER, names, wanted) == order


@pytest.mark.parametrize(
    ("names", "wanted"),
    [
        (("duplicate", "not_duplicate"), ("0", "1")),
        (("paraphrase", "not_paraphrase"), ("duplicate", "not_duplicate")),
        (("yes", "no"), ("true", "false")),
        (("positive", "negative"), ("1", "0")),
        (("entailment", "not_entailment"), ("1", "0")),
        (("entailment", "neutral", "neutral"), NLI),
        (("entailment", "entails", "neutral"), NLI),
        (("n", "y"), ("no", "yes")),
    ],
)
def test_what_is_not_surely_the_same_is_refused(names: tuple[str, ...], wanted: tuple[str, ...]) -> None:
    said = f"model names its classes {', '.join(names)}, but those of the recipe are {', '.join(wanted)} "
    with pytest.raises(
        InputError, match=said + r"\(texts.task.classes\); give teacher.classes, the recipe's class names"
    ):
        class_order(FOLDER, names, wanted)


def test_no_names_at_all() -> None:
    said = (
        r"model does not name its classes \(LABEL_0, LABEL_1, LABEL_2\), so their order is unknown; "
        r"give teacher.classes.*such as teacher.classes: \[entailment, neutral, contradiction\] where that is"
    )
    with pytest.raises(InputError, match=said):
        class_order(FOLDER, None, NLI)


@pytest.mark.parametrize(
    ("config", "names"),
    [
        ({"id2label": {"0": "no", "1": "yes"}, "label2id": {"no": 0, "yes": 1}}, ("no", "yes")),
        ({"id2label": {"1": "yes", "0": "no"}}, ("no", "yes")),
        ({"id2label": {"0": "no", "1": "yes"}, "label2id": {"LABEL_0": 0, "LABEL_1": 1}}, ("no", "yes")),
        ({"id2label": {"0": "LABEL_0", "1": "LABEL_1"}, "label2id": {"no": "0", "yes": 1}}, ("no", "yes")),
        ({"id2label": {"0": "No", "1": "YES"}, "label2id": {"no": 0, "yes": 1}}, ("No", "YES")),
        ({"id2label": {"0": 0, "1": 1}}, ("0", "1")),
        ({"id2label": {"0": False, "1": True}}, ("False", "True")),
        ({"label2id": {"yes": 1, "no": 0}}, ("no", "yes")),
        ({"id2label": {"0": "LABEL_0", "1": "LABEL_1"}}, None),
        ({"id2label": {"0": "LABEL_1", "1": "LABEL_0"}}, None),
        ({"id2label": {}, "label2id": None}, None),
        ({}, None),
    ],
)
def test_stated_names(config: dict[str, Any], names: tuple[str, ...] | None) -> None:
    assert stated_names(CONFIG, config, 2) == names


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (
            {"id2label": {"0": "no", "1": "yes"}, "label2id": {"no": 1, "yes": 0}},
            "id2label calls output 0 'no', but label2id calls it 'yes'; correct one of them, or give teacher.classes",
        ),
        (
            {"id2label": {"0": "no", "1": "yes"}, "label2id": {"nope": 0, "yes": 1}},
            "id2label calls output 0 'no', but label2id calls it 'nope'",
        ),
        (
            {"id2label": {"0": "no", "2": "yes"}},
            r"id2label numbers its names \[0, 2\], but the model has outputs 0\.\.1",
        ),
        ({"id2label": {"0": "no"}}, r"id2label numbers its names \[0\], but the model has outputs 0\.\.1"),
        ({"label2id": {"no": 0, "yes": 0}}, "label2id gives two names the same number"),
        ({"id2label": ["no", "yes"]}, "id2label does not give names and their numbers"),
        ({"id2label": {"first": "no", "second": "yes"}}, "id2label does not give names and their numbers"),
        ({"label2id": {"no": [0], "yes": 1}}, "label2id does not give names and their numbers"),
    ],
)
def test_names_that_contradict_each_other(config: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=rf"config\.json: {said}"):
        stated_names(CONFIG, config, 2)
