"""A report whose every text is an attack."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError

from pipeline.report.rows import Report

Place = tuple[str | int, ...]
TEMPLATE = (
    "<script>window.attacked={0}</script><img src=x onerror=window.attacked={0}>\"'><svg onload=window.attacked={0}>"
    "</style></textarea></title><!--<iframe src=javascript:window.attacked={0}>]]>&lt;script&gt; {{{{ 7 * 7 }}}}"
)
FREE = {"name", "description", "student", "texts"}  # of the recipe, which is any JSON in a report


def attack(number: int) -> str:
    """The attack of one place, told apart from the others."""
    return TEMPLATE.format(number)


def attacked(report: Report) -> tuple[Report, int]:
    """The report with an attack in place of every text that may be any text, and how many these are."""
    content: dict[str, Any] = json.loads(report.model_dump_json())
    content["recipe"] = {key: "text" for key in sorted(FREE)}
    count = 0
    for place in list(_texts(content, ())):
        before = json.dumps(content)
        _set(content, place, attack(count))
        if place[0] == "rows" and place[-1] == "name" and content["selected"] == _at(json.loads(before), place):
            content["selected"] = attack(count)
        try:
            Report.model_validate(content)
            count += 1
        except ValidationError:
            content = json.loads(before)
    return Report.model_validate(content), count


def _texts(value: Any, above: Place) -> Iterator[Place]:
    if isinstance(value, str):
        yield above
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in parts:
        yield from _texts(part, (*above, key))


def _at(value: Any, place: Place) -> Any:
    for key in place:
        value = value[key]
    return value


def _set(value: Any, place: Place, text: str) -> None:
    _at(value, place[:-1])[place[-1]] = text
