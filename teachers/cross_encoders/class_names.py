"""Which logit of a classifier stands for which class: by the names that its folder gives them, or by the recipe's word.

Names are taken for the same where they are equal, where only case, hyphens, blanks or a `non_` for a `not_` differ, or
where they stand in one line of SPELLINGS.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from decant.errors import InputError

SPELLINGS = (
    ("entailment", "entail", "entails", "entailed", "e"),
    ("neutral", "n"),
    ("contradiction", "contradict", "contradicts", "contradictory", "c"),
    ("not_entailment", "not_entailed", "not_entails"),
    ("duplicate", "duplicates", "is_duplicate"),
    ("not_duplicate", "not_duplicates", "is_not_duplicate"),
    ("paraphrase", "paraphrases", "is_paraphrase"),
    ("not_paraphrase", "not_paraphrases", "is_not_paraphrase"),
    ("equivalent", "is_equivalent"),
    ("not_equivalent", "is_not_equivalent"),
    ("similar", "is_similar"),
    ("dissimilar", "not_similar", "is_not_similar"),
    ("relevant", "is_relevant"),
    ("irrelevant", "not_relevant", "is_not_relevant"),
    ("positive", "pos"),
    ("negative", "neg"),
    ("true", "1"),
    ("false", "0"),
)
CANONICAL = {spelling: line[0] for line in SPELLINGS for spelling in line}
UNNAMED = re.compile(r"LABEL_\d+")  # what transformers calls outputs that nobody has named
STATE = "give teacher.classes, the recipe's class names in the order of the model's outputs"


def stated_names(path: Path, config: Mapping[str, Any], count: int) -> tuple[str, ...] | None:
    """The names that a config gives its outputs, in their order; None where it gives none.

    Args:
        path: of the config, for errors.
        config: its content.
        count: outputs of the model.

    Raises:
        InputError: `id2label` or `label2id` is no list of so many names, or they contradict each other.
    """
    by_id, by_label = (_named(path, config, key, count) for key in ("id2label", "label2id"))
    if by_id is not None and by_label is not None:
        for number, (one, other) in enumerate(zip(by_id, by_label, strict=True)):
            if _plain(one) != _plain(other):
                raise InputError(
                    f"{path}: id2label calls output {number} {one!r}, but label2id calls it {other!r}; correct one of "
                    f"them, or {STATE}"
                )
    return by_id or by_label


def class_order(folder: Path, names: Sequence[str] | None, wanted: Sequence[str]) -> tuple[int, ...]:
    """For each wanted class, the number of the output that stands for it.

    Args:
        folder: of the model, for errors.
        names: of its outputs, in their order; None where it gives none.
        wanted: the recipe's classes, as many.

    Raises:
        InputError: the names are not the recipe's, or there are none.
    """
    if names is None:
        given = ", ".join(f"LABEL_{number}" for number in range(len(wanted)))
        example = f"such as teacher.classes: [{', '.join(wanted)}] where that is their order"
        raise InputError(f"{folder} does not name its classes ({given}), so their order is unknown; {STATE}, {example}")
    same: tuple[Callable[[str], str], ...] = (str, _plain, _canonical)
    for key in same:
        found, needed = [key(name) for name in names], [key(name) for name in wanted]
        if len(set(found)) == len(found) and sorted(found) == sorted(needed):
            return tuple(found.index(name) for name in needed)
    raise InputError(
        f"{folder} names its classes {', '.join(names)}, but those of the recipe are {', '.join(wanted)} "
        f"(texts.task.classes); {STATE}, or name the same classes"
    )


def _named(path: Path, config: Mapping[str, Any], key: str, count: int) -> tuple[str, ...] | None:
    """Names in the order of their numbers; None where there are none, or only transformers' own."""
    stated = config.get(key)
    if stated is None or stated == {}:
        return None
    try:
        pairs = [(number, name) if key == "id2label" else (name, number) for number, name in stated.items()]
        names = {int(number): str(name) for number, name in pairs}
    except (AttributeError, TypeError, ValueError) as error:
        raise InputError(f"{path}: {key} does not give names and their numbers; correct it, or {STATE}") from error
    if len(names) < len(pairs):
        raise InputError(f"{path}: {key} gives two names the same number; correct it, or {STATE}")
    if sorted(names) != list(range(count)):
        raise InputError(
            f"{path}: {key} numbers its names {sorted(names)}, but the model has outputs 0..{count - 1}; correct it, "
            f"or {STATE}"
        )
    if any(UNNAMED.fullmatch(name) for name in names.values()):
        return None
    return tuple(names[number] for number in range(count))


def _plain(name: str) -> str:
    words = re.sub(r"[\s_-]+", "_", name.strip().casefold())
    return re.sub(r"^non_", "not_", words)


def _canonical(name: str) -> str:
    return CANONICAL.get(_plain(name), _plain(name))
