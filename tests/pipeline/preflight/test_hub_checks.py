"""Models and data sets of the hub are asked for before a run, shortly and once."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from decant.errors import InputError, TemporaryError
from pipeline.preflight.preflight import check_preflight, preflight_errors
from pipeline.recipe.recipe import Recipe, RecipeError, load_recipe
from tests.tiny_runs import Models, decant, tiny_recipe, write_project

ASKED = "pipeline.preflight.hub_checks.ask_hub"
TEST_SET = "texts.test={hub: org/set, split: test, rename: {score: label}}"


@pytest.fixture
def away(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, without_data: None) -> None:
    """No hub, and an empty cache of it."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "sets")


def recipe_of(models: Models, folder: Path, *overrides: str) -> Recipe:
    return load_recipe(write_project(folder, tiny_recipe(models)), overrides)


def test_a_model_that_cannot_be_had_is_one_line_that_names_others(
    away: None, models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("decant.models.hub.installed_models", lambda: ["package:here/model"])
    recipe = recipe_of(models, tmp_path, "student.model=org/student")
    begun = time.monotonic()
    with pytest.raises(TemporaryError, match=r"^student\.model: model 'org/student' is neither a local") as raised:
        check_preflight(recipe, tmp_path)
    assert str(raised.value).endswith("; or take one that is installed here: package:here/model")
    assert "\n" not in str(raised.value)
    assert time.monotonic() - begun < 10


def test_what_is_wrong_here_counts_more_than_a_hub_that_is_away(away: None, models: Models, tmp_path: Path) -> None:
    recipe = recipe_of(models, tmp_path, "student.model=org/student", "texts.train=none.tsv")
    with pytest.raises(RecipeError, match=r"none\.tsv: no such file") as raised:
        check_preflight(recipe, tmp_path)
    assert raised.value.exit_code == 2
    assert len(raised.value.errors) == 2


def test_validate_says_that_it_may_pass(away: None, models: Models, tmp_path: Path) -> None:
    path = write_project(tmp_path, tiny_recipe(models))
    said = decant("validate", path, "--set", "student.model=org/student")
    assert (said.code, len(said.lines)) == (75, 1)
    as_json = decant("validate", path, "--set", "student.model=org/student", "--json")
    assert as_json.code == 75
    assert as_json.json()["errors"][0].startswith("student.model: model 'org/student' is neither")


def test_one_question_a_model(away: None, models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(ASKED, lambda *given: asked.append(given))
    recipe = recipe_of(models, tmp_path, "student.model=org/model", "teacher={kind: fine_tune, model: org/model}")
    assert preflight_errors(recipe, tmp_path) == []
    assert asked == [("model", "org/model")]


def test_a_hub_that_does_not_answer_is_asked_no_more(
    away: None, models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    def fail(*given: Any) -> None:
        asked.append(given)
        raise ConnectionError("no route")

    monkeypatch.setattr(ASKED, fail)
    recipe = recipe_of(models, tmp_path, "student.model=org/one", "teacher={kind: fine_tune, model: org/two}", TEST_SET)
    errors = preflight_errors(recipe, tmp_path)
    assert [error.partition(":")[0] for error in errors] == ["teacher.model", "student.model", "texts.test"]
    assert len(asked) == 1


def test_a_model_in_the_cache_needs_no_hub(
    away: None, models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []

    def cached(reference: str, *, local_files_only: bool = False, **options: Any) -> str:
        asked.append(local_files_only)
        return str(models.encoder)

    monkeypatch.setattr("huggingface_hub.snapshot_download", cached)
    recipe = recipe_of(models, tmp_path, "student.model=org/student", "student.layers=[0, 3]")
    (error,) = preflight_errors(recipe, tmp_path)
    assert error.startswith("student.layers: keep layers [0, 3]: give rising numbers of 0..2")
    assert asked[0], "the cache is looked into before the hub is asked"


def test_a_data_set_that_cannot_be_reached(away: None, models: Models, tmp_path: Path) -> None:
    (error,) = preflight_errors(recipe_of(models, tmp_path, TEST_SET), tmp_path)
    assert error.startswith("texts.test: hub dataset org/set, test cannot be reached (")
    (tmp_path / "sets" / "org___set").mkdir(parents=True)
    assert preflight_errors(recipe_of(models, tmp_path, TEST_SET), tmp_path) == []


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        (["sentence1", "sentence2", "score"], None),
        (["premise", "hypothesis", "score"], "no column 'sentence1', 'sentence2'; it has 'premise', 'hypothesis', 'la"),
        ([], None),
    ],
)
def test_the_columns_that_a_data_set_tells_of(
    columns: list[str], said: str | None, away: None, models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = {"features": [{"name": name} for name in columns]} if columns else None
    told = SimpleNamespace(card_data=SimpleNamespace(dataset_info=card))
    monkeypatch.setattr(ASKED, lambda *given: told)
    errors = preflight_errors(recipe_of(models, tmp_path, TEST_SET), tmp_path)
    assert (errors == []) if said is None else said in errors[0]


def test_only_a_silent_hub_is_temporary(
    away: None, models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent(*given: Any) -> None:
        raise ValueError("no such repository")

    monkeypatch.setattr(ASKED, absent)
    with pytest.raises(InputError, match="student.model: model 'org/student'") as raised:
        check_preflight(recipe_of(models, tmp_path, "student.model=org/student"), tmp_path)
    assert not isinstance(raised.value, TemporaryError)
