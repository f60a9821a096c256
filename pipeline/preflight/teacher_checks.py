"""What a run would refuse of the recipe's cross-encoder, found before it from configs and tokenizers alone."""

from __future__ import annotations

from pathlib import Path

from decant.errors import InputError
from pipeline.recipe.recipe import Recipe
from pipeline.recipe.sections import FineTuneTeacher
from pipeline.stages.teacher import allowed_outputs, classes_of
from teachers.cross_encoders.cross_check import check_cross_encoder, check_fine_tunable


def refused_teacher(recipe: Recipe, folder: Path | None) -> list[str]:
    """An error of one line, with the key that asks for the model; none where it will do.

    Args:
        folder: of the teacher's model; None where it is not here.
    """
    settings = recipe.teacher
    if settings is None or folder is None:
        return []
    try:
        if isinstance(settings, FineTuneTeacher):
            check_fine_tunable(folder, recipe.texts.task.outputs, settings.max_length)
        else:
            check_cross_encoder(folder, allowed_outputs(recipe), settings.max_length, classes_of(recipe))
    except InputError as error:
        return [f"teacher.model: {error}"]
    return []
