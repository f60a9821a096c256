"""What a recipe of a ranking says where it says nothing, and what it cannot ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

from students.losses.loss_weights import ListLoss

if TYPE_CHECKING:
    from pipeline.recipe.recipe import Recipe

LISTS_A_BATCH = 16


def with_ranking_defaults(content: dict[str, Any]) -> dict[str, Any]:
    """A recipe's content with the loss and the batch of lists, where its task is a ranking and it names none."""
    texts, student = content.get("texts"), content.get("student")
    task = texts.get("task") if isinstance(texts, dict) else None
    if not isinstance(task, dict) or task.get("kind") != "ranking" or not isinstance(student, dict):
        return content
    student = {"loss": {"kl": 1.0}, "batch_size": LISTS_A_BATCH, **student}
    return {**content, "student": student, "candidates": content.get("candidates") or {}}


def check_ranking(recipe: Recipe) -> None:
    """Refuse what rankings do not have, and lists where there is no ranking.

    Raises:
        ValueError: names the key.
    """
    student, embedding = recipe.student, recipe.embedding
    if recipe.texts.task.kind != "ranking":
        if recipe.candidates is not None:
            raise ValueError("candidates: lists are of texts.task: {kind: ranking}; leave it out, or take that task")
        return
    wrong = [name for name in student.loss if name not in get_args(ListLoss)]
    if wrong:
        raise ValueError(f"student.loss: {wrong[0]} is of pairs; lists have {', '.join(get_args(ListLoss))}")
    pairs = "of labelled pairs, which a ranking has none of; leave it out"
    refused = {
        "student.form: comparator": student.form == "comparator",
        "student.trained": student.trained,
        "student.compare_alphas": bool(student.compare_alphas),
        "student.alpha": student.alpha != type(student).model_fields["alpha"].default,
        "teacher.kind: fine_tune": recipe.teacher is not None and recipe.teacher.kind == "fine_tune",
        "embedding.mine": embedding is not None and embedding.mine is not None,
        "embedding.teachers.tune": embedding is not None and any(one.tune for one in embedding.teachers),
        "reranker": recipe.reranker is not None,
    }
    for key, asked in refused.items():
        if asked and key == "student.trained":
            raise ValueError("student.trained: a model that is only to be judged by rankings goes into measure.sets")
        if asked and key == "student.form: comparator":
            raise ValueError("student.form: a ranking is searched by the cosine of two vectors; use form: cosine")
        if asked:
            raise ValueError(f"{key} is {pairs}")
    if recipe.trainer.distributed:
        raise ValueError("trainer.devices: lists are learned in one process; leave it out")
    if recipe.promotion is not None and recipe.promotion.task is None and recipe.promotion.set is None:
        raise ValueError("promotion: of a ranking, name what it is measured on: give promotion.task: retrieval, or set")
