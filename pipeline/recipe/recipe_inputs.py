"""The files and folders outside a run that a recipe's run reads."""

from __future__ import annotations

from pathlib import Path

from decant.files import expand_user
from decant.models.reference import is_on_the_hub, resolve_model
from pipeline.recipe.recipe import Recipe
from pipeline.texts.source import local_file


def input_paths(recipe: Recipe, base: Path) -> list[Path]:
    """Files of texts and pairs, folders of models; what comes from the hub has none.

    Args:
        base: the recipe's folder.

    Raises:
        InputError: one is not there.
    """
    texts, embedding, student = recipe.texts, recipe.embedding, recipe.student
    sources = [texts.train, texts.dev, texts.test, *texts.unlabelled, *(embedding.sentences if embedding else ())]
    files = [local_file(source, base) for source in sources if source is not None]
    models = [student.model, *recipe.measure.compare]
    models += [recipe.teacher.model] if recipe.teacher is not None else []
    models += [teacher.model for teacher in embedding.teachers] if embedding is not None else []
    folders = [resolve_model(model, base) for model in models if not is_on_the_hub(model, base)]
    listed = student.vocabulary.keep_from if student.vocabulary is not None else None
    kept = [base / expand_user(listed)] if listed is not None else []
    return [path for path in (*files, *folders, *kept) if path is not None]
