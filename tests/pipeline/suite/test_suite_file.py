from pathlib import Path

import pytest

from decant.errors import InputError
from pipeline.recipe.recipe import RecipeError, load_recipe, recipe_yaml
from pipeline.suite.read_sets import read_sets
from pipeline.suite.settings import ClassSet, PairSet, RankingSet
from pipeline.suite.suite_file import read_suite
from pipeline.texts.source import data_folder
from tests.suite_data import write_suite
from tests.tiny_runs import Models, tiny_recipe, write_project

ROOT = Path(__file__).parents[3]


def suite(folder: Path, text: str) -> Path:
    path = folder / "suite.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "a: {kind: ranking, data: x}\na: {kind: ranking, data: y}\n",
            "suite.yaml:2: a is given twice, on lines 1 and 2",
        ),
        ("a: {kind: rank, data: x}\n", "suite.yaml:1: a: kind 'rank' is none of"),
        ("a:\n  data: x\n", "suite.yaml:1: a: give its kind"),
        ("a:\n  kind: ranking\n  data: x\n  k: 5\n", "suite.yaml:4: a.k: no such key"),
        ("a: {kind: ranking}\n", "give either path"),
        ("a: {kind: ranking, data: x, metric: ndcg}\n", "a.metric: choose 'ndcg_at_10'"),
        ("a: {kind: pairs, source: x.tsv, task: binary, metric: spearman}\n", "spearman does not go with binary"),
        ("a: {kind: classes, source: x.tsv, train_rows: 5}\n", "train_rows: there is no train"),
        ("a b: {kind: ranking, data: x}\n", "1 to 64 letters"),
        ("- a\n", "a suite is a mapping"),
        ("", "a suite is a mapping"),
        ("{}\n", "suite: must have 1 or more values"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as raised:
        read_suite(suite(tmp_path, text))
    assert said in str(raised.value)
    assert len(str(raised.value).splitlines()) == 1


def test_no_file() -> None:
    with pytest.raises(InputError, match=r"gone\.yaml: cannot be read"):
        read_suite(Path("gone.yaml"))


def test_a_recipe_takes_the_sets_of_a_file_with_paths_from_itself_on(models: Models, tmp_path: Path) -> None:
    write_suite(tmp_path / "suites")
    path = write_project(tmp_path, tiny_recipe(models) | {"measure": {"sets": "suites/suite.yaml"}})
    recipe = load_recipe(path)
    sets = recipe.measure.sets
    assert isinstance(sets["found"], RankingSet)
    assert isinstance(sets["alike"], PairSet)
    assert isinstance(sets["fitted"], ClassSet)
    assert sets["found"].path == "suites/found"
    assert sets["alike"].source.path == "suites/alike.tsv"
    assert sets["fitted"].train is not None
    assert sets["fitted"].train.path == "suites/classed.tsv"
    assert len(read_sets(sets, tmp_path)) == 6
    (tmp_path / "resolved.yaml").write_text(recipe_yaml(recipe), encoding="utf-8")
    assert load_recipe(tmp_path / "resolved.yaml") == recipe


def test_a_wrong_suite_is_the_recipes_error(models: Models, tmp_path: Path) -> None:
    suite(tmp_path, "a: {kind: rank}\n")
    path = write_project(tmp_path, tiny_recipe(models) | {"measure": {"sets": "suite.yaml"}})
    with pytest.raises(RecipeError, match=r"suite\.yaml:1: a: kind 'rank' is none of"):
        load_recipe(path)
    path = write_project(tmp_path, tiny_recipe(models) | {"measure": {"sets": {"pairs": {"kind": "pairs", "k": 1}}}})
    with pytest.raises(RecipeError, match=r"measure\.sets\.pairs\.source: is missing"):
        load_recipe(path)


def test_the_suite_that_is_shipped_is_sound() -> None:
    sets = read_suite(ROOT / "configs" / "suite.yaml")
    assert len(sets) == 11
    folder = data_folder()
    if folder is None:
        pytest.skip("no folder of public sets: DECANT_DATA is not set, and ../shared/data is not there")
    assert [one.name for one in read_sets(sets, folder)] == list(sets)
