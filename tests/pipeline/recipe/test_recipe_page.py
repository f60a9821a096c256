from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from pipeline.recipe.recipe import Recipe
from pipeline.recipe.recipe_page import COMMAND, kind_of, models_in, recipe_page, settings_table

PAGE = Path(__file__).parents[3] / "docs" / "recipe.md"


class Inner(BaseModel):
    """Part of it."""

    kind: Literal["inner"]


class Shown(BaseModel):
    """What the table is tried on."""

    rate: float = Field(1e-4, gt=0, lt=1, description="Peak of |rate|.")
    names: tuple[str, ...] = Field(("a", "b"), min_length=1, description="GPUs by name")
    sizes: tuple[Annotated[int, Field(ge=1)], ...] = Field((), description="sizes in MiB")
    form: Literal["one", "two"] | None = Field(None, description="one or two")
    part: Inner | None = Field(None, description="another table")
    wanted: bool = Field(description="no default")


def test_the_page_is_that_of_the_settings() -> None:
    assert PAGE.read_text(encoding="utf-8") == recipe_page(), f"docs/recipe.md is out of date; run: {COMMAND}"


def test_every_setting_is_described() -> None:
    models, todo = set(), [Recipe]
    while todo:
        model = todo.pop()
        models.add(model)
        todo += [
            inner
            for field in model.model_fields.values()
            for inner in models_in(field.annotation)
            if inner not in models
        ]
    missing = [
        f"{model.__name__}.{name}"
        for model in models
        for name, field in model.model_fields.items()
        if not field.description and not (name == "kind" and kind_of(model))
    ]
    assert len(models) > 40
    assert not missing, f"give these a description: {', '.join(sorted(missing))}"


def test_a_row_has_type_range_default_and_description() -> None:
    assert settings_table(Shown, {Inner: "shown.part, kind: inner"})[2:] == [
        "| `rate` | number, > 0, < 1 | `0.0001` | peak of \\|rate\\| |",
        "| `names` | list of text, 1 or more | `[a, b]` | GPUs by name |",
        "| `sizes` | list of (integer, ≥ 1) | `[]` | sizes in MiB |",
        "| `form` | `one` or `two` | – | one or two |",
        "| `part` | [kind: inner](#shownpart-kind-inner) | – | another table |",
        "| `wanted` | true or false | **required** | no default |",
    ]


def test_what_is_picked_by_its_kind_has_no_row_for_it() -> None:
    assert kind_of(Inner) == "inner"
    assert kind_of(Shown) is None
    assert settings_table(Inner, {}) == []
