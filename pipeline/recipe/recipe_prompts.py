"""Which prompts a recipe's models read its texts behind: those of their folders, or those that the recipe states."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from decant.errors import InputError
from decant.models.layout import read_layout
from decant.models.prompts import Pair, Prompts, prompted_pairs, read_prompts
from decant.models.reference import resolve_model
from pipeline.recipe.recipe import Recipe


def teacher_prompts(recipe: Recipe, folder: Path) -> Prompts:
    """Those of an embedding teacher's folder, with the recipe's beside them and in place of those of the same name."""
    own = read_prompts(folder)
    return Prompts({**own.texts, **recipe.prompts}, own.default)


def student_prompts(recipe: Recipe, base: Path) -> Prompts:
    """Those that the student learns under, and that its artifacts state."""
    how = recipe.student.prompts
    if isinstance(how, dict):
        return Prompts(how)
    found = Prompts()
    if how == "own":
        found = read_prompts(resolve_model(recipe.student.model, base))
    elif how == "teacher" and recipe.embedding is not None:
        found = teacher_prompts(recipe, resolve_model(recipe.embedding.teachers[0].model, base))
    return found if found.any else Prompts()  # sentence-transformers saves empty ones in every folder


def prompt_inputs(recipe: Recipe, prompts: Prompts) -> dict[str, object]:
    """What a stage's fingerprint takes of the prompts that a student reads by; nothing where no prompt is used."""
    columns = recipe.texts.columns
    named = {"first": columns.first_prompt, "second": columns.second_prompt}
    return {"texts": dict(prompts.texts), "default": prompts.default, **named} if prompts.any else {}


def pairs_for(recipe: Recipe, prompts: Prompts, pairs: Sequence[Pair]) -> Sequence[Pair]:
    """The pairs as a model of these prompts reads them."""
    columns = recipe.texts.columns
    return prompted_pairs(pairs, prompts, columns.first_prompt, columns.second_prompt)


def prompt_errors(recipe: Recipe, base: Path, found: dict[str, Path]) -> list[str]:
    """Prompts that columns and sources name and a model lacks, and those that no exported graph can leave out.

    Args:
        found: key of the recipe → the model's folder, of those that are here.
    """
    errors = []
    for key, folder in found.items():
        try:
            if key.startswith("embedding.teachers."):
                prompts = teacher_prompts(recipe, folder)
            elif key == "student.model":
                prompts = student_prompts(recipe, base)
                _check_pooled(folder, prompts)
            else:
                continue
            for name in recipe.named_prompts if prompts.any or key != "student.model" else ():
                prompts.of(name)
            if key != "student.model":
                _check_roads(recipe, folder)
        except InputError as error:
            errors.append(f"{key}: {error}")
    return errors


def _check_roads(recipe: Recipe, folder: Path) -> None:
    layout, columns = read_layout(folder), recipe.texts.columns
    sources = recipe.embedding.sentences if recipe.embedding is not None else ()
    asked = [columns.first_prompt, columns.second_prompt, *(source.prompt for source in sources)]
    if layout.default_route is None and any(name not in layout.chains for name in asked):
        raise InputError(
            f"{folder} has a road for each kind of text and no default one; name one of {', '.join(layout.chains)} as "
            "the prompt of each column and source"
        )


def _check_pooled(folder: Path, prompts: Prompts) -> None:
    if prompts.any and not read_layout(folder).chain.include_prompt:
        raise InputError(
            f"the pooling of {folder} leaves the prompt's tokens out, which no exported graph can; give "
            "student.prompts: none, or a model that pools them"
        )
