"""Wrong keys and values are told with what is meant and what there is, in the file and by --set."""

from pathlib import Path

import pytest

from pipeline.recipe.plain_words import keys_at, no_such_key
from pipeline.recipe.recipe import Recipe, RecipeError, load_recipe
from pipeline.recipe.sections import StudentSettings
from pipeline.texts.settings import Task
from teachers.cross_encoders.fine_tune import FineTuneSettings

GOOD = """\
name: good
texts:
  task: {kind: regression, low: 0, high: 5}
  train: train.tsv
  test: {path: test.tsv}
teacher:
  kind: fine_tune
  model: org/teacher
student:
  model: org/student
"""


def errors_of(folder: Path, text: str, *overrides: str) -> list[str]:
    path = folder / "recipe.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(RecipeError, match=r"\S") as caught:
        load_recipe(path, overrides)
    return [error.removeprefix(str(path)) for error in caught.value.errors]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("student:", "studnet:", ":9: studnet: no such key; did you mean student?; the keys here are name, descripti"),
        ("kind: regression, low", "kind: regression, lo", ":3: texts.task.lo: no such key; did you mean low?; the keys "
         "here are kind, low, high, classes"),
        ("  kind: fine_tune", "  kind: fine_tune\n  epoch: 3", ":8: teacher.epoch: no such key; did you mean epochs?"),
        ("path: test.tsv", "pth: test.tsv", ":5: texts.test.pth: no such key; did you mean path?; the keys here are "
         "path, hub, config, split, data, rename, quoting"),
        ("kind: regression, low: 0, high: 5", "kind: regresion", ":3: texts.task.kind: choose 'regression', 'binary', "
         "'multiclass' or 'ranking'; did you mean regression? (given: 'regresion')"),
        ("kind: fine_tune", "kind: finetune", ":6: teacher: kind 'finetune' is none of 'load', 'fine_tune'; did you "
         "mean fine_tune?"),
        ("  kind: fine_tune\n", "", ":6: teacher: give its kind: 'load', 'fine_tune'"),
        ("  model: org/student", "  model: org/student\n  form: cosin", ":11: student.form: choose 'cosine' or "
         "'comparator'; did you mean cosine? (given: 'cosin')"),
        ("name: good", "name: my recipe", ":1: name: must be 1 to 64 letters, digits, '.', '_' or '-', the first one a "
         "letter or digit (given: 'my recipe')"),
        ("\n  model: org/student", " model:org/student", ":9: student: must be a section: its keys on lines of their "
         "own below it, or {key: value, …}; write a space behind the colon (given: 'model:org/student')"),
        ("  model: org/student", "  model: org/student\n  seeds: 3", ":11: student.seeds: must be a list: [first, "
         "second]"),
        ("  model: org/student", "  model: org/student\n  trained: maybe", ":11: student.trained: must be true or fal"),
    ],
)  # fmt: skip
def test_what_is_meant_and_what_there_is(old: str, new: str, said: str, tmp_path: Path) -> None:
    assert old in GOOD
    errors = errors_of(tmp_path, GOOD.replace(old, new))
    assert any(error.startswith(said) for error in errors), errors
    assert not any("Input " in error or "dictionary" in error for error in errors)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("student.epohcs=1", "--set student.epohcs: no such key; did you mean epochs?; the keys here are "),
        ("studnet.epochs=1", "--set studnet: no such key; did you mean student?; the keys here are name, "),
        ("student.form=cosin", "--set student.form: choose 'cosine' or 'comparator'; did you mean cosine?"),
        ("texts.task={kind: binary, clases: [a, b]}", "--set texts.task.clases: no such key; did you mean classes?"),
        ("student.alpha=2", "--set student.alpha: must be 1 or less (given: 2)"),
        ("student.alpha=a: b: c", "--set student.alpha=a: b: c: the value is not YAML: two colons in one line"),
    ],
)
def test_an_override_is_told_as_such(given: str, said: str, tmp_path: Path) -> None:
    (error,) = errors_of(tmp_path, GOOD, given)
    assert error.startswith(said)


def test_what_stands_in_the_file_beside_an_override_has_its_line(tmp_path: Path) -> None:
    errors = errors_of(tmp_path, GOOD + "  epochs: many\n", "student.alpha=2")
    assert errors == [
        ":11: student.epochs: must be a whole number (given: 'many')",
        "--set student.alpha: must be 1 or less (given: 2)",
    ]


def test_the_keys_of_a_section_are_those_of_its_settings() -> None:
    assert keys_at(Recipe, ()) == list(Recipe.model_fields)
    assert keys_at(Recipe, ("student",)) == list(StudentSettings.model_fields)
    assert keys_at(Recipe, ("texts", "task")) == list(Task.model_fields)
    assert set(keys_at(Recipe, ("teacher", "fine_tune"))) == {*FineTuneSettings.model_fields, "kind", "model"}
    assert keys_at(Recipe, ("embedding", "teachers", 0)) == ["model", "weight", "tune", "quantize"]
    assert keys_at(Recipe, ("student", "loss")) == []


def test_many_keys_are_cut_short() -> None:
    many = [f"key{number}" for number in range(30)]
    said = no_such_key("other", many)
    assert said.startswith("no such key; the keys here are key0, key1, ")
    assert said.endswith("key11, … (30 in all, in docs/recipe.md)")
    assert no_such_key("x", []) == "no such key"
