"""What stages state of a pruned vocabulary: in their fingerprints, and in the report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from decant.models.reference import resolve_model
from pipeline.recipe.recipe import Recipe
from pipeline.run_dir import Stage
from students.cuts.vocabulary import vocabulary_size
from students.cuts.vocabulary_settings import VocabularySettings


def vocabulary_inputs(settings: VocabularySettings | None, listed: Sequence[str]) -> dict[str, object]:
    """What it adds to a fingerprint: nothing where it is not pruned, so that other runs keep theirs."""
    if settings is None:
        return {}
    return {"vocabulary": settings.model_dump(mode="json", exclude={"keep_from"}), "listed": list(listed)}


def vocabulary_notes(recipe: Recipe, base: Path, student: Stage) -> list[str]:
    """How many tokens the student has, where they were pruned."""
    if recipe.student.vocabulary is None:
        return []
    kept, whole = vocabulary_size(student.folder), vocabulary_size(resolve_model(recipe.student.model, base))
    return [
        f"Vocabulary: {kept:,} of the {whole:,} tokens of the model that the student started from, those that the "
        "training's texts need; other words are read as more and shorter pieces."
    ]
