"""What a recipe asks of quantized weights and adapters, checked before a run begins."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from decant.errors import InputError
from decant.models.backbone import check_quantizable
from decant.models.quantized import LORA, QUANTIZE, Quantize, require_packages

if TYPE_CHECKING:  # pipeline.recipe.recipe calls this module
    from pipeline.recipe.recipe import Recipe


def not_quantizable(recipe: Recipe, models: dict[str, Path]) -> list[str]:
    """Which keys ask for what no installed package, or no layer of their model, allows: an error each.

    Args:
        models: folders of the recipe's models by their key, of those that are there.
    """
    errors = []
    for key, section, model in _sections(recipe):
        if getattr(section, "lora", None) is not None:
            errors += _refused(partial(require_packages, f"{key}.lora", *LORA))
        kind = getattr(section, "quantize", None)
        if kind is not None:
            errors += _refused(partial(_check, f"{key}.quantize", kind, models.get(model)))
    for kind in recipe.export.torch:
        errors += _refused(partial(_check, "export.torch", kind, models.get("student.model")))
    return list(dict.fromkeys(errors))


def _sections(recipe: Recipe) -> list[tuple[str, object, str]]:
    """What may have a key for it: the section's key, the section, and the key of its model."""
    found: list[tuple[str, object, str]] = [("teacher", recipe.teacher, "teacher.model")]
    for number, teacher in enumerate(recipe.embedding.teachers if recipe.embedding is not None else ()):
        key = f"embedding.teachers.{number}"
        found += [(key, teacher, f"{key}.model"), (f"{key}.tune", teacher.tune, f"{key}.model")]
    return found


def _check(key: str, kind: Quantize, model: Path | None) -> None:
    require_packages(key, *QUANTIZE)
    if model is None:
        return
    try:
        check_quantizable(model, kind)
    except InputError as error:
        raise InputError(f"{key}: {error}") from error


def _refused(check: Callable[[], None]) -> list[str]:
    try:
        check()
    except InputError as error:
        return [str(error)]
    return []
