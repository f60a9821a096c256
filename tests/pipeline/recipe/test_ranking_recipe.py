"""What a recipe of a ranking takes where it says nothing, and what it refuses."""

from pathlib import Path
from typing import Any

import pytest

from pipeline.recipe.recipe import Recipe, RecipeError, load_recipe, recipe_yaml
from pipeline.texts.candidate_settings import CandidateSettings

FOLDER = {"path": "found", "split": "train"}
TEACHER = {"teachers": [{"model": "some/embedder"}]}
STUDENT = {"model": "some/model"}


def recipe(**more: Any) -> dict[str, Any]:
    texts = {"task": {"kind": "ranking"}, "train": FOLDER}
    return {"name": "ranked", "texts": texts, "embedding": TEACHER, "student": STUDENT} | more


def test_loss_and_lists_have_defaults_of_their_own() -> None:
    found = Recipe.model_validate(recipe())
    assert found.student.loss == {"kl": 1.0}
    assert found.student.batch_size == 16
    assert found.candidates == CandidateSettings()
    assert found.measure.metric is None
    assert set(found.rankings()) == {"texts.train"}
    assert not [key for key in found.sources() if key.startswith("texts.")]
    static = Recipe.model_validate(recipe(student={"kind": "static", "loss": "margin_mse"}))
    assert static.student.loss == {"margin_mse": 1.0}


def test_the_resolved_recipe_is_the_same_again(tmp_path: Path) -> None:
    found = Recipe.model_validate(recipe(measure={"metric": "mrr_at_10"}))
    (tmp_path / "recipe.yaml").write_text(recipe_yaml(found), encoding="utf-8")
    assert load_recipe(tmp_path / "recipe.yaml") == found


def test_recipes_of_pairs_know_nothing_of_lists() -> None:
    texts = {"task": {"kind": "regression"}, "train": "train.tsv", "test": "test.tsv"}
    found = Recipe.model_validate(recipe(texts=texts))
    assert found.student.loss == {"cosent": 1.0}
    written = recipe_yaml(found)
    assert "candidates" not in found.model_dump(mode="json")
    assert "list_temperature" not in written
    assert "teacher_temperature" not in written


TUNED = {"teachers": [{"model": "some/embedder", "tune": {}}]}


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"student": STUDENT | {"loss": "cosent"}}, "student.loss: cosent is of pairs; lists have kl, margin_mse"),
        ({"student": STUDENT | {"form": "comparator"}}, "student.form: a ranking is searched by the cosine"),
        ({"student": STUDENT | {"trained": True}}, "student.trained: a model that is only to be judged"),
        ({"student": STUDENT | {"alpha": 0.3}}, "student.alpha is of labelled pairs"),
        ({"student": STUDENT | {"compare_alphas": [1]}}, "student.compare_alphas is of labelled pairs"),
        ({"teacher": {"kind": "fine_tune", "model": "some/model"}}, "teacher.kind: fine_tune is of labelled pairs"),
        ({"embedding": TEACHER | {"mine": {}}}, "embedding.mine is of labelled pairs"),
        ({"embedding": TUNED}, "embedding.teachers.tune is of labelled pairs"),
        ({"teacher": {"kind": "load", "model": "a/b"}, "reranker": {}}, "reranker is of labelled pairs"),
        ({"trainer": {"devices": 2}}, "trainer.devices: lists are learned in one process"),
        ({"promotion": {"pairs": "found"}}, "promotion: of a ranking, name what it is measured on"),
        ({"measure": {"metric": "spearman"}}, "spearman does not go with this task; ndcg_at_10 or mrr_at_10"),
        ({"texts": {"task": {"kind": "regression"}, "train": "t.tsv"}, "candidates": {}}, "candidates: lists are of"),
    ],
)
def test_what_a_ranking_does_not_have_is_refused_by_its_key(more: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Recipe.model_validate(recipe(**more))


def test_the_file_and_line_of_what_is_wrong_are_told(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(
        "name: a\ntexts:\n  task: {kind: ranking}\n  train: {path: found}\n"
        "candidates: {window: [5, 2]}\nembedding: {teachers: [{model: a/b}]}\nstudent: {model: a/b}\n",
        encoding="utf-8",
    )
    with pytest.raises(RecipeError, match=r"recipe.yaml:5: candidates: window: 5 comes after 2"):
        load_recipe(path)
