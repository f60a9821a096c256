"""What YAML made of a word is told beside what stands there; numbers of a recipe are written in decimal digits."""

from pathlib import Path

import pytest
import yaml

from decant.errors import InputError
from pipeline.recipe.recipe import RecipeError, load_recipe
from pipeline.recipe.yaml_places import places_of, written
from pipeline.registry.settings import promotion_settings

GOOD = """\
name: good
texts:
  task: {kind: multiclass, classes: [a, b, c]}
  train: train.tsv
  test: {path: test.tsv}
  limit: 100
teacher: {kind: load, model: org/teacher}
student: {model: org/student, form: comparator}
"""


def errors_of(folder: Path, text: str, *overrides: str) -> list[str]:
    path = folder / "recipe.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(RecipeError) as caught:  # noqa: PT011
        load_recipe(path, overrides)
    return [error.removeprefix(str(path)) for error in caught.value.errors]


@pytest.mark.parametrize(
    ("word", "made"),
    [
        ("No", "false"), ("Yes", "true"), ("on", "true"), ("OFF", "false"), ("true", "true"), ("~", "null"),
        ("null", "null"), ("0", "the number 0"), ("1.50", "the number 1.5"), ("010", "the number 8"),
        ("0x1f", "the number 31"), ("1:30", "the number 90"), ("1_0", "the number 10"), (".nan", "the number nan"),
        ("2024-01-31", "the date 2024-01-31"), ("2024-01-31 10:20:30", "the date 2024-01-31 10:20:30"),
    ],
)  # fmt: skip
def test_an_unquoted_word_where_a_text_is_wanted(word: str, made: str, tmp_path: Path) -> None:
    said = f'YAML reads the unquoted word {word} as {made}; write "{word}" in quotes'
    assert not isinstance(yaml.safe_load(word), str)
    assert yaml.safe_load(f'"{word}"') == word
    assert errors_of(tmp_path, GOOD.replace("[a, b, c]", f"[a, b, {word}]")) == [f":3: texts.task.classes.2: {said}"]
    assert errors_of(tmp_path, GOOD.replace("name: good", f"name: {word}")) == [f":1: name: {said}"]
    assert errors_of(tmp_path, GOOD.replace("org/teacher", word)) == [f":7: teacher.model: {said}"]
    if made != "null":  # a split that is not there
        assert errors_of(tmp_path, GOOD.replace("train.tsv", word)) == [f":4: texts.train: {said}"]
    assert errors_of(tmp_path, GOOD, f"texts.task.classes=[a, {word}, c]") == [f"--set texts.task.classes.1: {said}"]
    assert errors_of(tmp_path, GOOD, f"name={word}") == [f"--set name: {said}"]
    quoted = GOOD.replace("[a, b, c]", f'[a, b, "{word}"]').replace("train.tsv", f"'{word}'")
    (tmp_path / "recipe.yaml").write_text(quoted, encoding="utf-8")
    recipe = load_recipe(tmp_path / "recipe.yaml")
    assert (recipe.texts.task.classes[2], recipe.texts.train.path) == (word, word)


def test_several_words_and_keys_and_a_value_that_is_not_there(tmp_path: Path) -> None:
    assert errors_of(tmp_path, GOOD.replace("[a, b, c]", "[No, Yes, y]")) == [
        ':3: texts.task.classes.0: YAML reads the unquoted word No as false; write "No" in quotes',
        ':3: texts.task.classes.1: YAML reads the unquoted word Yes as true; write "Yes" in quotes',
    ]
    renamed = GOOD.replace("path: test.tsv", "path: test.tsv, rename: {no: label, 1: text}")
    assert errors_of(tmp_path, renamed) == [
        ':5: texts.test.rename.no: YAML reads the unquoted word no as false; write "no" in quotes',
        ':5: texts.test.rename.1: YAML reads the unquoted word 1 as the number 1; write "1" in quotes',
    ]
    assert errors_of(tmp_path, GOOD + "on: 3\n") == [
        ':9: on: YAML reads the unquoted word on as true; write "on" in quotes'
    ]
    assert errors_of(tmp_path, GOOD.replace("name: good", "name:")) == [":1: name: no value stands here; write a text"]


def test_a_word_that_would_be_wrong_in_quotes_too_is_told_what_is_allowed(tmp_path: Path) -> None:
    (error,) = errors_of(tmp_path, GOOD.replace("path: test.tsv", "path: test.tsv, quoting: no"))
    assert error == ":5: texts.test.quoting: choose 'none' or 'csv' (given: False)"
    (error,) = errors_of(tmp_path, GOOD.replace("{kind: multiclass, classes: [a, b, c]}", "no"))
    assert error.startswith(":3: texts.task: must be a section: its keys on lines of their own below it")


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("010", "YAML reads 010 as the number 8; write a number in digits"),
        ("1:30", "YAML reads 1:30 as the number 90; write"),
        ("0x10", "YAML reads 0x10 as the number 16; write"),
        ("0b11001", "YAML reads 0b11001 as the number 25; write"),
        ("1_0", "YAML reads 1_0 as the number 10; write"),
        ("'1_0'", "'1_0' is no number; write a number in digits 0 to 9"),
    ],
)
def test_a_number_is_written_in_decimal_digits(value: str, said: str, tmp_path: Path) -> None:
    (error,) = errors_of(tmp_path, GOOD.replace("limit: 100", f"limit: {value}"))
    assert error.startswith(f":6: texts.limit: {said}")
    (error,) = errors_of(tmp_path, GOOD, f"student.epochs={value}")
    assert error.startswith(f"--set student.epochs: {said}")


def test_what_is_no_number_at_all_does_not_become_one(tmp_path: Path) -> None:
    (error,) = errors_of(tmp_path, GOOD + "budget: {latency_ms: yes}\n")
    assert error == ":9: budget.latency_ms: YAML reads the unquoted word yes as true, but a number is wanted"
    scale = GOOD.replace("multiclass, classes: [a, b, c]", "regression, low: LOW, high: 99")
    for word, said in (
        ("-inf", "'-inf' is no number; write"), ("nan", "'nan' is no number; write"),
        ("-.inf", "YAML reads -.inf as the number -inf; write"), (".NaN", "YAML reads .NaN as the number nan; write"),
        ("1_0.5", "YAML reads 1_0.5 as the number 10.5; write"), ("'1_0.5'", "'1_0.5' is no number; write"),
    ):  # fmt: skip
        (error,) = errors_of(tmp_path, scale.replace("LOW", word))
        assert error.startswith(f":3: texts.task.low: {said}")
    for word, number in (("1e-4", 1e-4), ("+2", 2), ("007", 7), ("1.", 1), (".5", 0.5), ("'3'", 3), ("1.0e+0", 1)):
        (tmp_path / "recipe.yaml").write_text(scale.replace("LOW", word), encoding="utf-8")
        assert load_recipe(tmp_path / "recipe.yaml").texts.task.low == number


def test_a_number_of_many_digits_is_not_written_out(tmp_path: Path) -> None:
    (error,) = errors_of(tmp_path, GOOD.replace("name: good", "name: 0x" + "f" * 9000))
    assert error.startswith(":1: name: YAML reads the unquoted word 0xffff")
    assert "as a number of many digits; " in error
    assert len(error) < 250


def test_places_follow_aliases_and_merges() -> None:
    text = "a: &a {no: [x, 2]}\nb: *a\nc: {<<: *a, 3: y}\n"
    places = places_of(yaml.compose(text, yaml.SafeLoader))
    assert {keys: place.line for keys, place in places.items()} == {
        ("a",): 1, ("a", "0"): 1, ("a", "0", "0"): 1, ("a", "0", "1"): 1, ("b",): 2, ("b", "0"): 1,
        ("b", "0", "0"): 1, ("b", "0", "1"): 1, ("c",): 3, ("c", "<<"): 3, ("c", "<<", "0"): 1,
        ("c", "<<", "0", "0"): 1, ("c", "<<", "0", "1"): 1, ("c", "3"): 3,
    }  # fmt: skip
    assert written(("a", "0", "1"), places) == "a.no.1"
    assert places_of(None) == {}


def test_a_promotions_block_is_read_by_the_same_rules(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text("texts: {task: {kind: binary, classes: [No, Yes]}}\npromotion: {margin: 1}\n", encoding="utf-8")
    with pytest.raises(
        InputError, match=r'promotion\.classes\.0: YAML reads the unquoted word No as false; write "No"'
    ):
        promotion_settings(path, {})
    assert promotion_settings(path, {"classes": ["No", "Yes"]}).classes == ("No", "Yes")
    assert promotion_settings(path, {}, ['texts.task.classes=["No", "Yes"]']).classes == ("No", "Yes")
    path.write_text("promotion: {margin: 1_0, speed: {rounds: 010}}\n", encoding="utf-8")
    with pytest.raises(
        InputError, match=r"recipe\.yaml: promotion\.margin: YAML reads 1_0 as the number 10; .*"
    ) as caught:
        promotion_settings(path, {"speed": {"rounds": None}})
    assert "promotion.speed.rounds: YAML reads 010 as the number 8" in str(caught.value).splitlines()[1]
    assert promotion_settings(path, {"margin": 2.0, "speed": {"rounds": 7}}).margin == 2.0
    with pytest.raises(InputError, match=r"promotion\.margin: YAML reads the unquoted word on as true, but a number"):
        promotion_settings(path, {"speed": {"rounds": 7}}, ["promotion.margin=on"])
