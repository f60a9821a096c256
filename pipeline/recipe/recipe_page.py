"""The page docs/recipe.md, made from the settings' own descriptions.

python -m pipeline.recipe.recipe_page > docs/recipe.md
"""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import annotated_types
import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from pipeline.recipe.recipe import Recipe

COMMAND = "python -m pipeline.recipe.recipe_page > docs/recipe.md"
TOP = "Top level"
HEAD = f"""\
# The settings of a recipe

Every setting of a recipe, with its type, its range and its default. [guide.md](guide.md) shows how recipes are written.
A setting marked **required** has no default. Any of them can be given on the command line, as in
`--set student.epochs=5`. This page is made from the settings by `{COMMAND}`.
"""
WORDS: dict[Any, str] = {str: "text", int: "integer", float: "number", bool: "true or false"}
SIGNS = {
    annotated_types.Gt: ("gt", "> {:,}"), annotated_types.Ge: ("ge", "≥ {:,}"),
    annotated_types.Lt: ("lt", "< {:,}"), annotated_types.Le: ("le", "≤ {:,}"),
    annotated_types.MinLen: ("min_length", "{:,} or more"), annotated_types.MaxLen: ("max_length", "{:,} at most"),
}  # fmt: skip
Headings = dict[type[BaseModel], str]


def recipe_page() -> str:
    """The whole page, in Markdown."""
    sections = list(_sections(Recipe, "", set()))
    headings = {model: heading for model, heading in sections}
    return "\n".join([HEAD, *(_section(model, heading, headings) for model, heading in sections)])


def kind_of(model: type[BaseModel]) -> str | None:
    """The one `kind` by which a recipe picks this model among several; None where it has none."""
    field = model.model_fields.get("kind")
    kinds = get_args(field.annotation) if field is not None else ()
    return kinds[0] if len(kinds) == 1 else None


def models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """The settings classes that a type is built of, in order."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from models_in(part)


def settings_table(model: type[BaseModel], headings: Headings) -> list[str]:
    """The lines of a class's table; none where it has no setting but its kind.

    Args:
        headings: of the classes inside it, which the table links to.
    """
    rows = [
        f"| `{name}` | {_type(field.annotation, field.metadata, headings)} | {_default(field)} | {_described(field)} |"
        for name, field in model.model_fields.items()
        if not (name == "kind" and kind_of(model))
    ]
    head = ["| setting | type and range | default | what it says |", "| --- | --- | --- | --- |"]
    return [*head, *rows] if rows else []


def _sections(model: type[BaseModel], path: str, seen: set[type[BaseModel]]) -> Iterator[tuple[type[BaseModel], str]]:
    """A settings class with its heading, then those inside it; each class once, where a recipe first reaches it."""
    if model in seen:
        return
    seen.add(model)
    kind = kind_of(model)
    yield model, (f"{path}, kind: {kind}" if kind else path or TOP)
    for name, field in model.model_fields.items():
        for inner in models_in(field.annotation):
            yield from _sections(inner, f"{path}.{name}" if path else name, seen)


def _section(model: type[BaseModel], heading: str, headings: Headings) -> str:
    first = (model.__doc__ or "").strip().split("\n")[0]  # its other lines are for readers of the code
    table = settings_table(model, headings)
    level = "##" if "." not in heading else "###"
    return "\n".join([f"{level} {heading}", "", first, *([""] if table else []), *table, ""])


def _type(annotation: Any, metadata: list[Any], headings: Headings) -> str:
    limits = [
        sign.format(getattr(one, key)) for one in metadata for kind, (key, sign) in SIGNS.items() if type(one) is kind
    ]
    limits += [f"pattern `{one.pattern}`" for one in metadata if getattr(one, "pattern", None)]
    return ", ".join([_name(annotation, headings), *limits])


def _name(annotation: Any, headings: Headings) -> str:
    origin, parts = get_origin(annotation), get_args(annotation)
    if annotation in headings:
        heading = headings[annotation]
        return f"[{heading.split(', ')[-1]}](#{anchor(heading)})"
    if origin is Annotated:
        inner, *more = parts
        nested = [limit for one in more for limit in (one.metadata if isinstance(one, FieldInfo) else [one])]
        return _type(inner, nested, headings)
    if origin is Literal:
        return " or ".join(f"`{part}`" for part in parts)
    if origin in (Union, types.UnionType):
        return " or ".join(_name(part, headings) for part in parts if part is not type(None))
    if origin is tuple:
        last = parts[-1] is Ellipsis
        named = [_name(part, headings) for part in (parts[:1] if last else parts)]
        return f"list of ({named[0]})" if last and "," in named[0] else f"list of {named[0]}" if last else _fixed(named)
    if origin is dict:
        return f"mapping of {_name(parts[0], headings)} to {_name(parts[1], headings)}"
    return WORDS[annotation]


def _fixed(named: list[str]) -> str:
    return f"[{named[0]}] × {len(named)}" if len(set(named)) == 1 else f"[{', '.join(named)}]"


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "**required**"
    value = field.get_default(call_default_factory=True, validated_data={})
    if value is None or value is PydanticUndefined:
        return "–"
    if isinstance(value, BaseModel):
        stated = value.model_dump(exclude_defaults=True)
        return f"`{_yaml(stated)}`" if stated else "all defaults"
    return f"`{_yaml(value)}`" if value != "" else "–"


def _yaml(value: Any) -> str:
    plain = list(value) if isinstance(value, tuple) else value
    return yaml.safe_dump(plain, default_flow_style=True, width=10_000).removesuffix("\n").removesuffix("\n...")


def _described(field: FieldInfo) -> str:
    """The description in one form: no capital, no full stop, and no bar that would end the cell."""
    text = (field.description or "").rstrip(".")
    first = text.split(" ")[0]
    text = text[0].lower() + text[1:] if first.istitle() else text
    return text.replace("|", "\\|")


def anchor(heading: str) -> str:
    """The link to a heading as Markdown viewers make it."""
    kept = "".join(letter for letter in heading.lower() if letter.isalnum() or letter in " -_")
    return kept.replace(" ", "-")


if __name__ == "__main__":
    sys.stdout.write(recipe_page())
