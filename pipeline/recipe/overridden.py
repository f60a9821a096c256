"""What a recipe puts in the place of what a model's folder says, a sentence each, for the log and the report."""

from __future__ import annotations

from pathlib import Path

from decant.models.backbone import load_tokenizer, max_tokens
from decant.models.layout import Layout, read_layout
from decant.models.pooling_kind import PoolingKind
from decant.models.prompts import read_prompts
from decant.models.reference import resolve_model
from pipeline.recipe.recipe import Recipe
from pipeline.recipe.sections import StaticStudent
from pipeline.recipe.teacher_notes import teacher_notes


def overridden(recipe: Recipe, base: Path) -> list[str]:
    """Poolings, lengths, prompts and classes that differ from a folder's."""
    student = recipe.student
    static = isinstance(student, StaticStudent)
    said = [] if static else _of_model("student", student.model, base, student.max_length, student.pooling)
    said += _of_prompts("student.prompts", student.prompts, student.model, base)
    for number, teacher in enumerate(recipe.embedding.teachers if recipe.embedding is not None else ()):
        key = f"embedding.teachers.{number}"
        length = teacher.tune.max_length if teacher.tune is not None else None
        said += _of_model(f"{key}.tune", teacher.model, base, length, None)
        said += _of_prompts("prompts", recipe.prompts, teacher.model, base)
    said += teacher_notes(recipe, base)
    return list(dict.fromkeys(said))


def similarity_notes(recipe: Recipe, base: Path) -> list[str]:
    """A sentence on each model whose folder does not compare its vectors by cosine, as students do."""
    models = [recipe.student.model]
    models += [one.model for one in recipe.embedding.teachers] if recipe.embedding is not None else []
    said = []
    for model in dict.fromkeys(models):
        layout = read_layout(resolve_model(model, base))
        if layout.similarity != "cosine":
            said.append(
                f"{model} compares its vectors by {layout.similarity}, and its own row is measured so; students and "
                "artifacts have vectors of unit length, which are learned and compared by cosine."
            )
    return said


def _of_model(key: str, model: str, base: Path, max_length: int | None, pooling: PoolingKind | None) -> list[str]:
    if max_length is None and pooling is None:
        return []
    layout = read_layout(resolve_model(model, base))
    said = []
    own = layout.chain.pooling
    if pooling is not None and pooling != own:
        left_out = ", and the modules behind its own pooling are left out" if layout.chain.after else ""
        said.append(f"{key}.pooling: {pooling} stands in place of {own}, which {_stated(layout, model)}{left_out}.")
    if max_length is not None:
        place = layout.chain.body.folder
        longest = max_tokens(place, load_tokenizer(place))
        if max_length != longest:
            said.append(f"{key}.max_length: {max_length} tokens stand in place of {longest}, which {model} can take.")
    return said


def _stated(layout: Layout, model: str) -> str:
    return f"the folder of {model} says" if layout.stated else f"a bare transformer such as {model} gets"


def _of_prompts(key: str, given: object, model: str, base: Path) -> list[str]:
    if not isinstance(given, dict) and given != "none":
        return []
    own = read_prompts(resolve_model(model, base))
    if given == "none":
        return [f"{key}: none, in place of those of {model}: {', '.join(own.texts)}."] if own.any else []
    assert isinstance(given, dict)
    return [
        f"{key}.{name}: {text!r} stands in place of {own.texts[name]!r}, which the folder of {model} says."
        for name, text in given.items()
        if name in own.texts and own.texts[name] != text
    ]
