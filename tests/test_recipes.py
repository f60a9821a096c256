"""Every shipped recipe loads, and what it names is there where its package is installed."""

import importlib.util
import re
from pathlib import Path

import pytest

from decant.errors import InputError
from decant.models.reference import HUB_ID, resolve_model
from pipeline.preflight.preflight import preflight_errors
from pipeline.recipe.recipe import Recipe, load_recipe, recipe_yaml
from pipeline.texts.rankings import source_files
from pipeline.texts.source import data_folder, local_file

CONFIGS = Path(__file__).parents[1] / "configs"
SUITE = CONFIGS / "suite.yaml"  # named sets, which tests/pipeline/suite reads
RECIPES = sorted(set(CONFIGS.rglob("*.yaml")) - {SUITE})
ANOTHER_RUN = re.compile(r"\.\./runs/([^/]+)/student")  # what another recipe has trained


def recipe_id(path: Path) -> str:
    return path.relative_to(CONFIGS).as_posix()


def test_there_are_recipes() -> None:
    assert CONFIGS / "quickstart.yaml" in RECIPES


@pytest.mark.parametrize("path", RECIPES, ids=recipe_id)
def test_recipe_loads_and_its_resolved_form_too(path: Path, tmp_path: Path) -> None:
    recipe = load_recipe(path)
    (tmp_path / "again.yaml").write_text(recipe_yaml(recipe), encoding="utf-8")
    assert load_recipe(tmp_path / "again.yaml") == recipe


def test_names_differ() -> None:
    names = [load_recipe(path).name for path in RECIPES]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("path", RECIPES, ids=recipe_id)
def test_models_resolve(path: Path) -> None:
    recipe = load_recipe(path)
    named = {recipe.student.model} | ({recipe.teacher.model} if recipe.teacher else set())
    for reference in named | {one.model for one in (recipe.embedding.teachers if recipe.embedding else ())}:
        if reference.startswith("package:"):
            package = reference.removeprefix("package:").split("/")[0]
            if importlib.util.find_spec(package) is None:
                with pytest.raises(InputError, match=f"no Python package '{package}' is installed"):
                    resolve_model(reference, path.parent)
            else:
                assert (resolve_model(reference, path.parent) / "config.json").is_file()
        elif another_run := ANOTHER_RUN.fullmatch(reference):
            assert another_run[1] in {load_recipe(one).name for one in RECIPES} - {recipe.name}
        elif not (path.parent / reference).exists():
            assert HUB_ID.fullmatch(reference)


@pytest.mark.parametrize("path", RECIPES, ids=recipe_id)
def test_files_are_there_and_hub_sets_have_a_way_without_the_hub(path: Path) -> None:
    recipe: Recipe = load_recipe(path)
    texts = recipe.texts
    rankings = recipe.rankings()
    for key, source in rankings.items():
        assert source.data is not None
        assert data_folder() is None or source_files(key, source, path.parent)
    named = [one for one in (texts.train, texts.test, texts.dev, *texts.unlabelled) if one is not None]
    for source in named if not rankings else ():
        if source.hub is None:
            assert local_file(source, path.parent) is not None
        else:
            assert source.data is not None
    away = "is neither a local folder nor reachable on the hub"  # where there is no network
    excused = ("no Python package", "model '../runs/", away, *([] if data_folder() else ["DECANT_DATA"]))
    errors = preflight_errors(recipe, path.parent)
    assert not [error for error in errors if not any(reason in error for reason in excused)]
