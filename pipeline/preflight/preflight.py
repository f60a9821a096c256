"""What a run would stumble over outside of its recipe: files, models, packages and processors that are not there.

Files, the places of models and the hub come first, without the libraries that train: what is wrong there is told at
once. Only then are the models themselves looked at.
"""

from __future__ import annotations

from pathlib import Path

from decant.errors import DecantError, InputError, TemporaryError
from decant.models.reference import is_on_the_hub, resolve_model
from pipeline.preflight.hub_checks import hub_errors
from pipeline.preflight.source_checks import source_errors
from pipeline.recipe.recipe import Recipe, RecipeError


def preflight_errors(recipe: Recipe, base: Path) -> list[str]:
    """All that is wrong there, a line each, with the key that asks for it."""
    here, hub = _found_errors(recipe, base)
    return [*here, *map(str, hub)]


def check_preflight(recipe: Recipe, base: Path) -> None:
    """Refuse a recipe that a run would stumble over.

    Raises:
        RecipeError: all that is wrong, a line each.
        TemporaryError: nothing is wrong but that the hub does not answer.
    """
    here, hub = _found_errors(recipe, base)
    if not here and hub and all(isinstance(error, TemporaryError) for error in hub):
        raise TemporaryError(*hub)
    if here or hub:
        raise RecipeError([*here, *map(str, hub)])


def _found_errors(recipe: Recipe, base: Path) -> tuple[list[str], list[InputError]]:
    """What is wrong here, and what cannot be had from the hub."""
    errors = source_errors(recipe, base)
    found: dict[str, Path] = {}
    for key, reference in recipe.models().items():
        try:
            if not is_on_the_hub(reference, base):
                found[key] = resolve_model(reference, base)
        except DecantError as error:
            errors.append(f"{key}: {error}")
    cached, away = hub_errors(recipe, base)
    if not errors and not away:
        from pipeline.preflight.model_checks import (
            model_errors,
        )  # with torch, which what is told above need not wait for

        errors += model_errors(recipe, base, found | cached)
    return errors, away
