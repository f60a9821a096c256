"""A resolved recipe as flat parameters, a value a dotted key."""

from __future__ import annotations

import json
from collections.abc import Mapping

from pydantic import JsonValue

CHARACTERS = 500  # of a value: what MLflow servers before 2.9 take; the whole recipe is an artifact beside it


def parameters(recipe: Mapping[str, JsonValue]) -> dict[str, str]:
    """Every setting that is given or has a default, such as student.epochs → "3".

    Lists of plain values stay whole, as JSON; sections in a list are numbered from 0. What is null is left out.
    """
    return {key: value[:CHARACTERS] for key, value in _flat(dict(recipe), "").items()}


def _flat(value: JsonValue, key: str) -> dict[str, str]:
    if isinstance(value, dict):
        inside = [_flat(one, f"{key}.{name}" if key else name) for name, one in value.items()]
    elif isinstance(value, list) and any(isinstance(one, dict) for one in value):
        inside = [_flat(one, f"{key}.{index}") for index, one in enumerate(value)]
    elif value is None or value == [] or value == "":
        inside = []
    else:
        inside = [{key: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}]
    return {name: one for part in inside for name, one in part.items()}
