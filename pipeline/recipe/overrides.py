"""`--set key=value`, laid over what a recipe's file says; nothing of training is loaded."""

from __future__ import annotations

from typing import Any

import yaml

from decant.errors import InputError
from pipeline.recipe.yaml_text import YamlError, parse_yaml


def override(content: dict[str, Any], given: str) -> tuple[tuple[str, ...], yaml.Node | None]:
    """Set one value of a recipe's content, which is changed; its keys, and the tree of what is set.

    Args:
        content: as read from the file, before it is checked.
        given: `key.of.a.setting=value` as given to `--set`; the value is YAML.

    Raises:
        InputError: it is not written so, or a key lies under a single value.
    """
    key, equals, value = given.partition("=")
    if not equals or not key.strip():
        raise InputError(f"--set {given}: write it as key.of.a.setting=value")
    *parents, last = key.strip().split(".")
    place = content
    for parent in parents:
        place = place.setdefault(parent, {})
        if not isinstance(place, dict):
            raise InputError(f"--set {given}: {parent} is a single value, so it has no {last}")
    try:
        place[last], node = parse_yaml(value)
    except YamlError as error:
        raise InputError(f"--set {given}: the value is {error}") from error
    return (*parents, last), node
