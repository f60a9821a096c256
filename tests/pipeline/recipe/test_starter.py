"""What `decant init` writes loads, and says what was found."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from pipeline.recipe.guess import Guess
from pipeline.recipe.recipe import Recipe, load_recipe
from pipeline.recipe.starter import pairs_recipe, safe_name, starter_recipe, texts_recipe

ODD = ["a: b", "Größe #1", "no", "12", "it's", '"quoted"', "[x]", "- a", "two  spaces", "*star"]
BINARY = Guess("q1", "q2", "same", {"kind": "binary"}, 400, 0, 0)


def loaded(folder: Path, text: str, *overrides: str) -> Recipe:
    path = folder / "recipe.yaml"
    path.write_text(text, encoding="utf-8")
    return load_recipe(path, overrides)


@pytest.mark.parametrize("odd", ODD)
def test_names_that_mean_something_in_yaml_are_quoted(odd: str, tmp_path: Path) -> None:
    found = Guess(odd, f"{odd} 2", f"{odd} 3", {"kind": "binary", "classes": ["no", "yes"]}, 10, 0, 0)
    recipe = loaded(tmp_path, pairs_recipe("x", found, f"{odd}.csv", f"{odd}.tsv", "org/model"))
    columns = recipe.texts.columns
    assert (columns.first, columns.second, columns.label) == (odd, f"{odd} 2", f"{odd} 3")
    assert recipe.texts.task.classes == ("no", "yes")
    assert recipe.texts.train is not None
    assert recipe.texts.train.path == f"{odd}.csv"
    assert recipe.texts.test is not None
    assert recipe.texts.test.path == f"{odd}.tsv"
    assert loaded(tmp_path, starter_recipe("x", f"{odd}.csv", f"{odd}.tsv")).texts.train == recipe.texts.train


def test_one_file_gives_the_test_pairs_too(tmp_path: Path) -> None:
    recipe = loaded(tmp_path, pairs_recipe("x", BINARY, "a.csv", None, "package:some_package/model"))
    assert (recipe.texts.test, recipe.texts.test_share) == (None, 0.2)
    assert recipe.models() == dict.fromkeys(("teacher.model", "student.model"), "package:some_package/model")
    assert recipe.texts.problems == {}


def test_rows_with_empty_cells_are_left_out(tmp_path: Path) -> None:
    found = Guess("q1", "q2", "same", {"kind": "binary"}, 400, 2, 3)
    text = pairs_recipe("x", found, "a.csv", None, "org/model")
    assert loaded(tmp_path, text).texts.problems == {"empty": "drop", "label": "drop"}
    assert "# 5 cells are empty" in text


def test_classes_take_the_comparator(tmp_path: Path) -> None:
    found = Guess("q1", "q2", "same", {"kind": "multiclass", "classes": ["a", "b", "c"]}, 400, 0, 0)
    assert loaded(tmp_path, pairs_recipe("x", found, "a.csv", None, "org/model")).student.form == "comparator"


@pytest.mark.parametrize(("rows", "epochs"), [(10, 20), (1500, 10), (1_000_000, 1), (0, 20)])
def test_texts_alone_have_a_teacher_of_vectors(rows: int, epochs: int) -> None:
    content = yaml.safe_load(texts_recipe("x", "a b.csv", ("caption",), rows, "org/model", 6))
    assert "texts" not in content
    assert content["embedding"]["teachers"] == [{"model": "org/model"}]
    assert content["embedding"]["sentences"] == [{"path": "a b.csv", "columns": ["caption"]}]
    assert content["embedding"]["epochs"] == epochs
    assert content["student"] == {"model": "org/model", "form": "cosine", "layers": [0, 2, 4]}


@pytest.mark.parametrize("layers", [None, 3])
def test_a_model_of_few_or_unknown_layers_is_kept_whole(layers: int | None, tmp_path: Path) -> None:
    text = texts_recipe("x", "a.txt", (), 100, "org/model", layers)
    recipe = loaded(tmp_path, text, "texts={task: {kind: regression}, test: test.tsv}")
    assert recipe.student.layers == ()
    assert recipe.embedding is not None
    assert recipe.embedding.sentences[0].path == "a.txt"


@pytest.mark.parametrize(
    ("given", "name"), [("my data", "my-data"), ("...", "recipe"), ("ünï", "n"), ("a" * 99, "a" * 64)]
)
def test_a_safe_name(given: str, name: str) -> None:
    assert safe_name(given) == name
