"""Where a value stands in YAML and how it is written there, for what YAML makes of a word beside what was meant.

PyYAML reads YAML 1.1, where the unquoted words `No` and `on` are booleans, `1:30` is 90, `010` is 8 and `1_0` is 10.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple

import yaml
from pydantic import BaseModel

from pipeline.texts.numbers import NUMBER, parse_number

Keys = tuple[str, ...]

TEXT_STANDS_FOR = {"Source", "SentenceSource"}  # settings that a text is short for
OF_A_KEY = "[key]"  # pydantic's word behind a key that is wrong itself
DECIMAL = "write a number in digits 0 to 9, such as 10 or 2.5"
LARGE = 10**100  # Python writes no integer of more than 4,300 digits out
SHOWN = 60  # characters of what is written
MADE = {f"tag:yaml.org,2002:{name}" for name in ("bool", "float", "int", "null", "timestamp")}  # of unquoted words


class Place(NamedTuple):
    """Of a value: the line of its key, from 1, its own node, and its key's where it has one."""

    line: int
    node: yaml.Node
    key: yaml.Node | None


def places_of(node: yaml.Node | None, keys: Keys = ()) -> dict[Keys, Place]:
    """The place of every value in a tree, by its keys as pydantic names them.

    Args:
        node: the tree; None: of an empty text.
        keys: where it stands itself; its own place is given too where it stands beneath any.
    """
    if node is None:
        return {}
    places = {keys: Place(node.start_mark.line + 1, node, None)} if keys else {}
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            here = (*keys, _name_of(key))
            places |= places_of(value, here) | {here: Place(key.start_mark.line + 1, value, key)}
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            places |= places_of(value, (*keys, str(index)))
    return places


def overridden(places: Mapping[Keys, Place], keys: Keys, node: yaml.Node | None) -> dict[Keys, Place]:
    """The places once another tree is set under the keys."""
    return {one: place for one, place in places.items() if one[: len(keys)] != keys} | places_of(node, keys)


def written(keys: Keys, places: Mapping[Keys, Place]) -> str:
    """Keys as they stand in the file, with dots between them."""
    around = [places.get(keys[: end + 1]) for end in range(len(keys))]
    return ".".join(
        place.key.value if place is not None and isinstance(place.key, yaml.ScalarNode) else name
        for name, place in zip(keys, around, strict=True)
    )


def misread_text(error: Mapping[str, Any], place: Place | None) -> str | None:
    """What YAML made of a word where a text is wanted, and what to write; None where something else is wrong.

    Args:
        error: one of pydantic's, as `errors()` gives them.
        place: of the value that it is about.
    """
    kind, context = error["type"], error.get("ctx") or {}
    of_key = kind == "invalid_key" or OF_A_KEY in error["loc"]
    node = None if place is None else place.key if of_key else place.node
    if not isinstance(node, yaml.ScalarNode) or node.style is not None or node.tag not in MADE:
        return None
    short = kind == "model_type" and context.get("class_name") in TEXT_STANDS_FOR
    listed = kind == "literal_error" and repr(node.value) in str(context.get("expected"))
    if not (kind in ("string_type", "invalid_key") or short or listed):
        return None
    if not node.value:
        return "no value stands here; write a text"
    word = _shown(node)
    return f'YAML reads the unquoted word {word} as {_said(node)}; write "{word}" in quotes'


def misread_numbers(settings: BaseModel, places: Mapping[Keys, Place]) -> Iterator[tuple[Keys, str]]:
    """Settings that became numbers though no number is written there, or another one: their keys, and what is wrong.

    Args:
        settings: as they were read.
        places: of their values, by the keys from these settings on.
    """
    for keys, place in places.items():
        value = _at(settings, keys)
        if isinstance(place.node, yaml.ScalarNode) and isinstance(value, int | float) and not isinstance(value, bool):
            said = _misread_number(place.node)
            if said is not None:
                yield keys, said


def _misread_number(node: yaml.ScalarNode) -> str | None:
    if node.tag not in MADE:
        return None if parse_number(node.value) is not None else f"{_shown(node)!r} is no number; {DECIMAL}"
    made = _made(node)
    if isinstance(made, bool):
        return f"YAML reads the unquoted word {_shown(node)} as {_said(node)}, but a number is wanted"
    decimal = NUMBER.fullmatch(node.value) is not None and (isinstance(made, float) or int(node.value) == made)
    return None if decimal else f"YAML reads {_shown(node)} as {_said(node)}; {DECIMAL}"


def _made(node: yaml.ScalarNode) -> Any:
    return yaml.SafeLoader("").construct_object(node)


def _shown(node: yaml.ScalarNode) -> str:
    word = str(node.value)
    return word if len(word) <= SHOWN else f"{word[:SHOWN]}…"


def _said(node: yaml.ScalarNode) -> str:
    made = _made(node)
    if made is None or isinstance(made, bool):
        return {None: "null", True: "true", False: "false"}[made]
    if isinstance(made, int) and abs(made) >= LARGE:
        return "a number of many digits"
    return f"the {'date' if isinstance(made, date) else 'number'} {made}"


def _name_of(key: yaml.Node) -> str:
    if not isinstance(key, yaml.ScalarNode) or key.style is not None or key.tag not in MADE:
        return str(key.value)
    made = _made(key)
    large = isinstance(made, int) and abs(made) >= LARGE
    return str(key.value if large else int(made) if isinstance(made, bool) else made)


def _at(settings: object, keys: Keys) -> object:
    """The value under the keys; None where there is none."""
    for key in keys:
        if isinstance(settings, BaseModel):
            settings = getattr(settings, key, None)
        elif isinstance(settings, Mapping):
            settings = settings.get(key)
        elif isinstance(settings, Sequence) and not isinstance(settings, str) and len(key) < 10 and key.isdecimal():
            settings = settings[int(key)] if int(key) < len(settings) else None
        else:
            return None
    return settings
