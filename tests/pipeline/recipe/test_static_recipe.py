"""A recipe of a static student: what is filled in, and what it cannot ask for."""

from pathlib import Path

import pytest

from pipeline.recipe.recipe import RecipeError, load_recipe, recipe_yaml
from pipeline.recipe.sections import StaticStudent

GOOD = """\
name: static
texts: {task: {kind: regression, low: 0, high: 5}, test: test.tsv}
embedding:
  teachers: [{model: org/teacher}]
  sentences: [{path: texts.txt}]
student: {kind: static}
"""


def _load(folder: Path, text: str, *overrides: str):  # type: ignore[no-untyped-def]
    (folder / "recipe.yaml").write_text(text, encoding="utf-8")
    return load_recipe(folder / "recipe.yaml", overrides)


def test_it_is_filled_in_and_reads_back_the_same(tmp_path: Path) -> None:
    recipe = _load(tmp_path, GOOD)
    assert isinstance(recipe.student, StaticStudent)
    assert recipe.student.model == "org/teacher"
    assert recipe.export.precisions == ("fp32", "int8")
    assert (recipe.embedding.epochs, recipe.embedding.batch_size) == (6, 512)
    assert _load(tmp_path, recipe_yaml(recipe)) == recipe


def test_what_it_says_itself_stands(tmp_path: Path) -> None:
    recipe = _load(tmp_path, GOOD, "embedding.epochs=2", "export.precisions=[int4]", "student.dims=[64]")
    assert recipe.embedding.epochs == 2
    assert recipe.export.precisions == ("int4",)
    assert recipe.student.nesting.kind == "grid"


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("student.layers=[0]", "student.layers: no such key"),
        ("student.kind=table", "kind 'table' is none of 'transformer', 'static'"),
        ("export.precisions=[int8-row]", "int8-row rounds layers; a static student has fp32, fp16, int8, int4"),
        ("export.openvino=[fp32]", "export.openvino: a static student is a table without layers"),
        ("student.nesting={kind: two_d}", "two_d needs layers; take matryoshka or grid"),
        ("student.nesting={kind: matryoshka}", "there are no shorter lengths to train; give student.dims"),
        ("embedding.states={kind: hidden}", "has no token states to follow"),
        ("trainer.devices=2", "trains in one process"),
    ],
)
def test_what_has_no_layers_cannot_be_asked_for_them(tmp_path: Path, override: str, said: str) -> None:
    with pytest.raises(RecipeError, match="recipe.yaml|--set") as caught:
        _load(tmp_path, GOOD, override)
    assert said in str(caught.value)


def test_precisions_of_a_table_are_not_for_layers(tmp_path: Path) -> None:
    text = GOOD.replace("{kind: static}", "{model: org/student}")
    with pytest.raises(RecipeError, match="fp16 is of static students"):
        _load(tmp_path, text, "export.precisions=[fp16]")


def test_without_an_embedding_teacher_there_is_no_table(tmp_path: Path) -> None:
    text = """\
name: static
texts: {task: {kind: regression, low: 0, high: 5}, train: train.tsv, test: test.tsv}
teacher: {kind: load, model: org/cross}
student: {kind: static, model: org/teacher}
"""
    with pytest.raises(RecipeError, match="student.kind: static starts from an embedding teacher's vectors"):
        _load(tmp_path, text)
