"""What the log and the report say of a loaded teacher that is read otherwise than its folder says."""

from __future__ import annotations

from pathlib import Path

from decant.errors import InputError
from decant.files import read_object
from decant.models.folder_files import CONFIG
from decant.models.reference import resolve_model
from pipeline.recipe.recipe import Recipe
from pipeline.recipe.sections import LoadTeacher
from pipeline.stages.teacher import allowed_outputs, classes_of
from teachers.cross_encoders.class_names import class_order, stated_names
from teachers.cross_encoders.cross_check import own_length
from teachers.cross_encoders.cross_reading import statements


def teacher_notes(recipe: Recipe, base: Path) -> list[str]:
    """A sentence on each; none where the folder's word holds, or the teacher is fine-tuned."""
    settings = recipe.teacher
    if not isinstance(settings, LoadTeacher):
        return []
    source = resolve_model(settings.model, base)
    notes = _of_classes(recipe, settings, source)
    own = own_length(source) if settings.max_length is not None else None
    if own != settings.max_length:
        instead = (
            "are read, where its folder says none" if own is None else f"stand in place of {own}, as its folder says"
        )
        notes.append(f"teacher.max_length: {settings.max_length} tokens of a pair {instead}.")
    return notes


def _of_classes(recipe: Recipe, settings: LoadTeacher, source: Path) -> list[str]:
    order, _ = statements(source, allowed_outputs(recipe), classes_of(recipe))
    if order is None:
        return []
    names, own = recipe.texts.task.names, _named(source, len(order))
    if settings.classes is None:
        said = f"teacher.model: its outputs are put in the order of texts.task.classes, from {', '.join(own or ())}."
        return [said] if list(order) != sorted(order) else []
    if own is None:
        return [f"teacher.classes: {', '.join(settings.classes)} are its outputs, which its folder does not name."]
    try:
        agreed = class_order(source, own, names) == order
    except InputError:
        agreed = False
    said = f"teacher.classes: {', '.join(settings.classes)} stand in place of {', '.join(own)}, as its folder says."
    return [] if agreed else [said]


def _named(source: Path, outputs: int) -> tuple[str, ...] | None:
    """The classes as the folder names them; None where it names none, or contradicts itself."""
    path = source / CONFIG
    try:
        return stated_names(path, read_object(path), outputs)
    except InputError:
        return None
