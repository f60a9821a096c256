import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from decant.errors import InputError
from pipeline.recipe.recipe import RecipeError, load_recipe, recipe_digest, recipe_yaml
from pipeline.tracking.settings import URI_VARIABLE, MlflowSettings, TrackingSettings, mlflow_uri, tracking_errors
from tests.tiny_runs import Models, tiny_recipe, write_project

SECRET = "http://me:hunter2@tracking.example"


@pytest.fixture(autouse=True)
def _no_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(URI_VARIABLE, raising=False)


@pytest.mark.parametrize(
    ("given", "uri"),
    [
        (None, "sqlite:////runs/mlflow.db"),
        ("sqlite:///kept/mlflow.db", "sqlite:////recipes/kept/mlflow.db"),
        ("sqlite:////var/mlflow.db", "sqlite:////var/mlflow.db"),
        ("https://tracking.example:5000", "https://tracking.example:5000"),
        ("postgresql+psycopg://me@host/name", "postgresql+psycopg://me@host/name"),
        ("env:WHERE", SECRET),
    ],
)
def test_the_uri(given: str | None, uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHERE", SECRET)
    assert mlflow_uri(MlflowSettings(uri=given), Path("/recipes"), Path("/runs")) == uri


def test_mlflows_own_variable_is_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(URI_VARIABLE, SECRET)
    assert mlflow_uri(MlflowSettings(), Path("/recipes"), Path("/runs")) == SECRET


@pytest.mark.parametrize(
    "uri", ["ftp://me:hunter2@host", "file:///mlruns", "databricks", "http://", "http://[", "sqlite://"]
)
def test_an_address_that_cannot_be_used_is_refused_and_not_shown(uri: str, models: Models, tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="sqlite:///FILE"):
        MlflowSettings(uri=uri)
    recipe = write_project(tmp_path, tiny_recipe(models) | {"tracking": {"mlflow": {"uri": uri}}})
    with pytest.raises(RecipeError, match="tracking.mlflow: uri: give an http") as caught:
        load_recipe(recipe)
    assert "hunter2" not in str(caught.value)


def test_a_variable_that_does_not_help_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = TrackingSettings(mlflow=MlflowSettings(uri="env:WHERE"))
    assert tracking_errors(settings, Path()) == ["tracking.mlflow.uri: the variable WHERE is not set"]
    monkeypatch.setenv("WHERE", "hunter2")
    with pytest.raises(InputError, match="WHERE holds no address that can be used") as caught:
        mlflow_uri(MlflowSettings(uri="env:WHERE"), Path(), Path())
    assert "hunter2" not in str(caught.value)


def test_a_missing_extra_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    assert tracking_errors(TrackingSettings(mlflow=MlflowSettings()), Path()) == []
    monkeypatch.setitem(sys.modules, "alembic", None)
    assert tracking_errors(TrackingSettings(mlflow=MlflowSettings()), Path()) == [
        "tracking.mlflow: alembic is not installed; pip install 'decant[tracking]'"
    ]
    assert tracking_errors(TrackingSettings(tensorboard=True), Path()) == []
    assert tracking_errors(None, Path()) == []


def test_the_resolved_recipe_holds_no_address_and_its_digest_no_tracking(models: Models, tmp_path: Path) -> None:
    plain = load_recipe(write_project(tmp_path, tiny_recipe(models)))
    tracking = {"tensorboard": True, "mlflow": {"uri": SECRET, "experiment": "mine"}}
    tracked = load_recipe(write_project(tmp_path, tiny_recipe(models) | {"tracking": tracking}))
    assert recipe_digest(tracked) == recipe_digest(plain)
    assert "experiment: mine" in recipe_yaml(tracked)
    assert "hunter2" not in recipe_yaml(tracked)
