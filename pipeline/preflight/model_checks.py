"""What a run would stumble over in its models: read from their configs, with the libraries that train."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from decant.errors import InputError
from decant.models.backbone import load_tokenizer
from decant.models.check_embedder import check_embedder, check_start, encoder_size, vector_width
from decant.models.encoder import check_transformer
from decant.training.devices import check_devices
from export.graphs.small_vectors import check_small_vectors
from pipeline.preflight.quantizable import not_quantizable
from pipeline.preflight.teacher_checks import refused_teacher
from pipeline.recipe.recipe import Recipe
from pipeline.recipe.recipe_prompts import prompt_errors
from pipeline.recipe.sections import StaticStudent, StudentSettings
from pipeline.tracking.settings import tracking_errors
from students.cuts.cut import check_layers
from students.cuts.prune import check_ffn_width
from students.cuts.vocabulary import check_vocabulary, listed_texts
from students.distill.distill_settings import RerankerSettings
from students.distill.token_states import PROBES, Reader, check_states
from students.losses.pair_losses import check_losses
from students.nesting.nested import all_dims
from students.nesting.nesting import check_nesting, trained_dims
from students.sharing.share_maps import check_sharing
from students.static.start_table import spelled_tokens
from students.static.static_tokenizer import static_tokenizer_of
from teachers.labels.ray_workers import check_ray


def model_errors(recipe: Recipe, base: Path, found: dict[str, Path]) -> list[str]:
    """All that is wrong there, a line each, with the key that asks for it.

    Args:
        found: key of the recipe → the model's folder, of those that are here.
    """
    errors = _not_followed(recipe, found)
    errors += prompt_errors(recipe, base, found) if not errors else []
    errors += _beyond_this_machine(recipe, base)
    errors += tracking_errors(recipe.tracking, base)
    errors += not_quantizable(recipe, found)
    errors += refused_teacher(recipe, found.get("teacher.model"))
    errors += _without_groups(recipe.reranker, found.get("teacher.model"))
    if "student.model" in found and not any(error.startswith("student.model: ") for error in errors):
        errors += _beyond_the_model(recipe, found["student.model"])
    if isinstance(recipe.student, StaticStudent):
        errors += _beyond_the_teachers(recipe, recipe.student, found)
    if {"student.model", "embedding.teachers.0.model"} <= found.keys():
        errors += _unlike_the_teacher(recipe, found["student.model"], found["embedding.teachers.0.model"])
    return errors


def _not_followed(recipe: Recipe, found: dict[str, Path]) -> list[str]:
    """Embedding models whose folders say what Decant does not follow, or that no student can start from."""
    errors = []
    tuned = {
        f"embedding.teachers.{number}.model"
        for number, teacher in enumerate(recipe.embedding.teachers if recipe.embedding is not None else ())
        if teacher.tune is not None or recipe.embedding is not None and recipe.embedding.states is not None
    }
    for key, folder in found.items():
        try:
            if key == "student.model" and isinstance(recipe.student, StaticStudent):
                spelled_tokens(static_tokenizer_of(load_tokenizer(folder), (), 0, 1, recipe.student.max_length or 512))
            elif key == "student.model":
                check_start(folder)
            elif key.startswith("embedding.teachers."):
                layout = check_embedder(folder)
                if key in tuned:
                    check_transformer(layout)
        except InputError as error:
            errors.append(f"{key}: {error}")
    return errors


def _beyond_this_machine(recipe: Recipe, base: Path) -> list[str]:
    errors = []
    try:
        check_devices(recipe.trainer)
    except InputError as error:
        errors.append(f"trainer.{error}")
    try:
        listed_texts(recipe.student.vocabulary, base)
    except InputError as error:
        errors.append(f"student.vocabulary.keep_from: {error}")
    try:
        check_ray(recipe.labels)
    except InputError as error:
        errors.append(str(error))
    return errors


def _beyond_the_model(recipe: Recipe, folder: Path) -> list[str]:
    """Depths, lengths and cuts that the student's model does not have, read from the configs alone."""
    if isinstance(recipe.student, StaticStudent):
        return []
    try:
        layers, width = encoder_size(folder, recipe.student.pooling)
    except InputError as error:
        return [f"student.model: {error}"]
    student, errors = recipe.student, []
    if student.layers:
        try:
            check_layers(folder, student.layers, student.pooling or "mean")
        except InputError as error:
            return [f"student.layers: {error}"]
        layers = len(student.layers)
    errors += _beyond_its_parts(student, folder)
    own = student.exit_layers
    if any(depth >= layers for depth in own) or len(set(own)) < len(own):
        errors.append(f"student.exit_layers: {list(own)} must be depths of 1..{layers - 1}, each once")
    try:
        dims = all_dims(width, student.dims)
        if student.nesting is not None:
            check_nesting(student.nesting, layers, dims)
        if student.form == "cosine" and recipe.texts.train is not None:
            check_losses(student.loss, trained_dims(student.the_nesting, dims))
    except InputError as error:
        errors.append(f"student: {error}")
    if student.pooling != "concat_top_mean":
        beyond = [cut for cut in recipe.export.cuts if not 1 <= cut[0] <= layers or cut[1] > width]
        errors += [f"export.cuts: {list(cut)} is beyond the student's [{layers}, {width}]" for cut in beyond[:1]]
    outliers = recipe.export.int8_row.outliers
    if "int8-row" in recipe.export.precisions and outliers >= width:
        errors.append(f"export.int8_row.outliers: {outliers} of an activation's {width} columns; ask for fewer")
    lengths = [width, *student.dims, *(cut[1] for cut in recipe.export.cuts)]
    errors += _without_whole_bytes(recipe, lengths)
    smallest = min(lengths)
    if recipe.budget is not None and recipe.budget.dim is not None and recipe.budget.dim < smallest:
        errors.append(f"budget.dim: {recipe.budget.dim} is below every length that is trained; add it to student.dims")
    return errors


def _beyond_the_teachers(recipe: Recipe, student: StaticStudent, found: dict[str, Path]) -> list[str]:
    """Lengths and cuts that a static student cannot have, whose width is that of its teachers side by side."""
    count = len(recipe.embedding.teachers) if recipe.embedding is not None else 0
    folders = [found.get(f"embedding.teachers.{number}.model") for number in range(count)]
    if not folders or None in folders:
        return []
    widest = sum(vector_width(folder) for folder in folders if folder is not None)
    if student.dim is not None and student.dim > widest:
        return [f"student.dim: {student.dim} is above the {widest} numbers of the teachers' vectors"]
    width = student.dim or widest
    beyond = [cut for cut in recipe.export.cuts if cut[0] != 0 or cut[1] > width]
    errors = [f"export.cuts: {list(cut)} is no cut of a static student; give [0, 1..{width}]" for cut in beyond[:1]]
    try:
        dims = all_dims(width, student.dims)
        check_nesting(student.the_nesting, 1, dims)
        if recipe.texts.train is not None:
            check_losses(student.loss, trained_dims(student.the_nesting, dims))
    except InputError as error:
        errors.append(f"student: {error}")
    return errors


def _without_whole_bytes(recipe: Recipe, dims: Sequence[int]) -> list[str]:
    try:
        for dim in dims:
            check_small_vectors(recipe.export.vectors, dim)
    except InputError as error:
        return [f"export.vectors: {error}"]
    return []


def _beyond_its_parts(student: StudentSettings, folder: Path) -> list[str]:
    errors = []
    try:
        if student.ffn_width is not None:
            check_ffn_width(folder, student.ffn_width)
    except InputError as error:
        errors.append(f"student.ffn_width: {error}")
    try:
        if student.vocabulary is not None:
            check_vocabulary(folder, student.vocabulary)
    except InputError as error:
        errors.append(f"student.vocabulary: {error}")
    try:
        if student.sharing is not None:
            check_sharing(folder, student.sharing, student.layers)
    except InputError as error:
        errors.append(f"student.sharing: {error}")
    return errors


def _without_groups(reranker: RerankerSettings | None, teacher: Path | None) -> list[str]:
    """Groups that the cross-encoder's layers cannot form, read from its config alone."""
    if reranker is None or teacher is None:
        return []
    try:
        check_sharing(teacher, reranker.sharing)
    except InputError as error:
        return [f"reranker.sharing: {error}"]
    return []


def _unlike_the_teacher(recipe: Recipe, student: Path, teacher: Path) -> list[str]:
    """Why the student cannot follow the teacher's token states, read from configs and tokenizers alone."""
    if recipe.embedding is None or recipe.embedding.states is None:
        return []
    how = recipe.embedding.teachers[0].tune
    try:
        sides = Reader.at(student, recipe.student.max_length), Reader.at(teacher, how.max_length if how else None)
        check_states(recipe.embedding.states, *sides, PROBES)
    except InputError as error:
        return [f"embedding.states: {error}"]
    return []
