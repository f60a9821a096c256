"""One of pydantic's errors → what is wrong, in plain words, with the keys or choices that there are."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from inspect import isclass
from typing import Any, get_args

from pydantic import BaseModel

SHOWN_KEYS = 12
SECTION = "must be a section: its keys on lines of their own below it, or {key: value, …}"
NAME = "must be 1 to 64 letters, digits, '.', '_' or '-', the first one a letter or digit"
PATTERNS = {
    r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$": NAME,
    r"^[a-z0-9][a-z0-9/_-]*$": "must be small letters, digits, '/', '_' or '-', the first one a letter or digit",
}
WORDS = {
    "missing": "is missing", "finite_number": "must be a finite number", "string_type": "must be a text",
    "greater_than": "must be above {gt}", "greater_than_equal": "must be {ge} or more",
    "less_than": "must be below {lt}", "less_than_equal": "must be {le} or less",
    "too_short": "must have {min_length} or more values, not {actual_length}",
    "too_long": "must have {max_length} values or fewer, not {actual_length}",
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float", "int_parsing_size"), "must be a whole number"),
    **dict.fromkeys(("float_type", "float_parsing"), "must be a number, such as 2.5"),
    **dict.fromkeys(("bool_type", "bool_parsing"), "must be true or false"),
    **dict.fromkeys(("tuple_type", "list_type"), "must be a list: [first, second]"),
    **dict.fromkeys(("model_type", "model_attributes_type", "dict_type"), SECTION),
}  # fmt: skip
QUOTED = re.compile("'([^']+)'")
KINDS = ("union_tag_invalid", "union_tag_not_found")


def plain_words(error: Mapping[str, Any], root: type[BaseModel]) -> str:
    """What is wrong, one clause that follows the key.

    Args:
        error: one of pydantic's, as `errors()` gives them.
        root: the settings that were checked.
    """
    kind, location, given = error["type"], error["loc"], error.get("input")
    context = error.get("ctx") or {}
    if kind == "extra_forbidden":
        return no_such_key(str(location[-1]), keys_at(root, location[:-1]))
    if kind == "literal_error":
        return f"choose {context['expected']}{_meant(str(given), QUOTED.findall(context['expected']))}"
    if kind in KINDS:
        tags = context.get("expected_tags") or ", ".join(map(repr, _kinds_at(root, location)))
        meant = _meant(str(context.get("tag", "")), QUOTED.findall(tags))
        return f"kind {context['tag']!r} is none of {tags}{meant}" if "tag" in context else f"give its kind: {tags}"
    if kind == "string_pattern_mismatch":
        return PATTERNS.get(context["pattern"], f"must be written as {context['pattern']}")
    words = WORDS.get(kind)
    if words is None:
        return str(error["msg"]).removeprefix("Value error, ")
    if words is SECTION:
        joined = isinstance(given, str) and re.fullmatch(r"\w+:\S.*", given)
        return f"{SECTION}; write a space behind the colon" if joined else SECTION
    return words.format(**{key: f"{value:g}" if isinstance(value, float) else value for key, value in context.items()})


def no_such_key(key: str, known: Sequence[str]) -> str:
    """That there is no such key, which one may be meant, and those that there are."""
    shown = ", ".join(known[:SHOWN_KEYS])
    more = f", … ({len(known)} in all, in docs/recipe.md)" if len(known) > SHOWN_KEYS else ""
    listed = f"; the keys here are {shown}{more}" if known else ""
    return f"no such key{_meant(key, known)}{listed}"


def keys_at(root: type[BaseModel], location: Sequence[str | int]) -> list[str]:
    """The keys that a section of the settings may have.

    Args:
        location: of the section, as pydantic writes it: keys, numbers of a list, and kinds of a union.
    """
    return list(dict.fromkeys(key for model in _models_at(root, location) for key in model.model_fields))


def _meant(given: str, known: Sequence[str]) -> str:
    by_small = {one.lower(): one for one in known}
    close = get_close_matches(given.lower(), list(by_small), n=1)
    return f"; did you mean {by_small[close[0]]}?" if close else ""


def _models_at(root: type[BaseModel], location: Sequence[str | int]) -> list[type[BaseModel]]:
    models = [root]
    for part in location:
        holding = [model for model in models if part in model.model_fields]
        chosen = [model for model in models if part in (*_kinds(model), model.__name__)]
        models = [one for model in holding for one in _inside(model, str(part))] if holding else chosen or models
    return models


def _kinds_at(root: type[BaseModel], location: Sequence[str | int]) -> list[str]:
    return [kind for model in _models_at(root, location) for kind in _kinds(model)]


def _kinds(model: type[BaseModel]) -> tuple[str, ...]:
    return get_args(model.model_fields["kind"].annotation) if "kind" in model.model_fields else ()


def _inside(model: type[BaseModel], key: str) -> Iterator[type[BaseModel]]:
    yield from _of_annotation(model.model_fields[key].annotation)


def _of_annotation(annotation: Any) -> Iterator[type[BaseModel]]:
    if isclass(annotation) and issubclass(annotation, BaseModel):
        yield annotation
    for one in get_args(annotation):
        yield from _of_annotation(one)
