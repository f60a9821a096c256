"""What a recipe of a static student says where it says nothing, and what it cannot ask for."""

from __future__ import annotations

from typing import Any

from decant.training.devices import TrainerSettings
from pipeline.recipe.sections import EmbeddingSettings, ExportSettings, StaticStudent, StudentSettings

OF_VECTORS = {"epochs": 6, "learning_rate": 3.0e-3, "batch_size": 512, "warmup_share": 0.02}  # docs/results.md
PRECISIONS = ("fp32", "fp16", "int8", "int4")
OF_STATIC = ("fp16", "int8")  # of which only a table of token vectors is exported


def with_static_defaults(content: dict[str, Any]) -> dict[str, Any]:
    """A recipe's content with the kind of its student, and, of a static one, what it takes where nothing is said."""
    student = content.get("student")
    if not isinstance(student, dict):
        return content
    if student.get("kind", "transformer") != "static":
        return {**content, "student": {"kind": "transformer", **student}}
    embedding, export = content.get("embedding"), content.get("export", {})
    if isinstance(embedding, dict):
        first = next(iter(embedding.get("teachers") or ()), None)
        if isinstance(first, dict) and "model" in first:
            student = {"model": first["model"], **student}
        content = {**content, "embedding": {**OF_VECTORS, **embedding}}
    if student.get("dims"):
        student = {"nesting": {"kind": "grid", "small_dims": "draw"}, **student}
    if isinstance(export, dict):
        content = {**content, "export": {"precisions": ["fp32", "int8"], **export}}
    return {**content, "student": student}


def check_static(
    student: StudentSettings | StaticStudent, embedding: EmbeddingSettings | None, export: ExportSettings,
    trainer: TrainerSettings,
) -> None:  # fmt: skip
    """Refuse what a table of token vectors does not have, and its precisions for a student with layers.

    Raises:
        ValueError: names the key.
    """
    if not isinstance(student, StaticStudent):
        wrong = [one for one in export.precisions if one in OF_STATIC]
        if wrong:
            raise ValueError(f"export.precisions: {wrong[0]} is of static students; take int8-row, or another of int8")
        return
    if embedding is None:
        raise ValueError("student.kind: static starts from an embedding teacher's vectors; give embedding.teachers")
    wrong = [one for one in export.precisions if one not in PRECISIONS]
    if wrong:
        raise ValueError(f"export.precisions: {wrong[0]} rounds layers; a static student has {', '.join(PRECISIONS)}")
    layered = [name for name in ("openvino", "engines", "torch", "vectors", "quantize_aware") if getattr(export, name)]
    if layered:
        raise ValueError(
            f"export.{layered[0]}: a static student is a table without layers, which has none; leave it out"
        )
    if embedding.states is not None:
        raise ValueError("embedding.states: a static student has no token states to follow; leave it out")
    if student.nesting is not None and student.nesting.kind not in ("last", "matryoshka", "grid"):
        raise ValueError(f"student.nesting: {student.nesting.kind} needs layers; take matryoshka or grid")
    if student.dims and student.dim is not None and max(student.dims) >= student.dim:
        raise ValueError(f"student.dims: {max(student.dims)} is not below student.dim, {student.dim}")
    if student.nesting is not None and student.nesting.kind != "last" and not student.dims:
        raise ValueError("student.nesting: there are no shorter lengths to train; give student.dims")
    if trainer.distributed:
        raise ValueError("trainer.devices: a static student trains in one process; leave it out")
