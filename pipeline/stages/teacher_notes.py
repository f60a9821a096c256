"""What the log and the report say of a loaded teacher that is read otherwise than its folder says."""

from __future__ import annotations

from pathlib import Path

from pipeline.recipe import LoadTeacher, Recipe
from pipeline.stages.teacher import allowed_outputs, classes_of
from teachers.class_names import stated_names
from teachers.cross_check import own_length
from teachers.cross_reading import statements
from teachers.errors import InputError
from teachers.json_file import read_object
from teachers.reference import resolve_model


def teacher_notes(recipe: Recipe, base: Path) -> list[str]:
    """A sentence on each; none where the folder's word holds, or the teacher is fine-tuned."""
    settings = recipe.teacher
    if not isinstance(settings, LoadTeacher):
        return []
    source = resolve_model(settings.model, base)
    notes = _of_classes(recipe, settings, source)
    own = own_length(source) if settings.max_length is not None else None
    if own != settings.max_length:
        said = f"its folder says {own:,}" if own is not None else "its folder says nothing of it"
        notes.append(f"The teacher reads {settings.max_length} tokens of a pair, as teacher.max_length says; {said}.")
    return notes


def _of_classes(recipe: Recipe, settings: LoadTeacher, source: Path) -> list[str]:
    order, _ = statements(source, allowed_outputs(recipe), classes_of(recipe))
    if order is None:
        return []
    if settings.classes is None:
        own = ", ".join(name for _, name in sorted(zip(order, recipe.texts.task.names, strict=True)))
        said = f"The teacher's outputs were put in the order of texts.task.classes; its folder has them as {own}."
        return [said] if list(order) != sorted(order) else []
    try:
        found = stated_names(source / "config.json", read_object(source / "config.json"), len(order))
    except InputError:  # it contradicts itself
        found = None
    own = f"its folder names them {', '.join(found)}" if found else "its folder does not name them"
    said = f"The teacher's outputs stand for {', '.join(settings.classes)}, as teacher.classes says; {own}."
    return [said] if found != settings.classes else []
