from pathlib import Path

import pytest

from decant.errors import InputError
from pipeline.registry.settings import OPTIONS, PromotionSettings, promotion_settings


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "recipe.yaml"
    path.write_text("name: my\npromotion: {pairs: held/today.tsv, margin: 0.5, speed: {rounds: 7}}\n", encoding="utf-8")
    return path


def test_the_recipes_block_with_options_over_it(recipe: Path, tmp_path: Path) -> None:
    found = promotion_settings(recipe, {"margin": 2.0, "max_latency_ms": None, "speed": {"threads": 1, "rounds": None}})
    assert (found.margin, found.speed.rounds, found.speed.threads) == (2.0, 7, 1)
    assert found.pairs == str(tmp_path / "held" / "today.tsv")
    assert found.speed.batch_sizes == (1,)


def test_what_is_set_goes_over_the_recipe_and_under_the_options(recipe: Path, tmp_path: Path) -> None:
    asked = ["promotion.margin=0.2", "promotion.level=0.9", "promotion.pairs=other.tsv", "student.epochs=3"]
    found = promotion_settings(recipe, {"level": 0.99}, [*asked, "texts.task.kind=binary"])
    assert (found.margin, found.level, found.speed.rounds, found.task) == (0.2, 0.99, 7, "binary")
    assert found.pairs == str(tmp_path / "other.tsv")
    with pytest.raises(InputError, match=r"^--set promotion: write it as key\.of\.a\.setting=value$"):
        promotion_settings(recipe, {}, ["promotion"])
    with pytest.raises(InputError, match=r"recipe\.yaml: promotion\.margn: no such key$"):
        promotion_settings(recipe, {}, ["promotion.margn=0.2"])
    with pytest.raises(InputError, match="^--set goes over what a recipe says; give --recipe too$"):
        promotion_settings(None, {}, ["promotion.margin=0.2"])


def test_without_a_recipe_or_a_block_the_defaults_hold(tmp_path: Path) -> None:
    assert promotion_settings(None, {}) == PromotionSettings(task="regression")
    (tmp_path / "bare.yaml").write_text("name: my\n", encoding="utf-8")
    assert promotion_settings(tmp_path / "bare.yaml", {}) == PromotionSettings(task="regression")


def test_all_errors_are_told_by_option_or_key(recipe: Path) -> None:
    recipe.write_text("promotion: {margn: 1, level: 2}\n", encoding="utf-8")
    with pytest.raises(InputError, match="no such key") as caught:
        promotion_settings(recipe, {"min_accuracy": 0.84, "webhook": "ftp://user:secret@host"})
    assert str(caught.value).splitlines() == [
        f"{recipe}: promotion.level: Input should be less than 1",
        "--min-accuracy 0.84: Input should be greater than 1",
        "--webhook: give an http:// or https:// URL, or env:NAME of a variable that holds one",
        f"{recipe}: promotion.margn: no such key",
    ]


def test_a_recipe_that_is_none_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text("a: [", encoding="utf-8")
    with pytest.raises(InputError, match="is no recipe: not YAML in UTF-8"):
        promotion_settings(path, {})
    path.write_text("promotion: 3", encoding="utf-8")
    with pytest.raises(InputError, match="a mapping of keys is wanted, not int"):
        promotion_settings(path, {})


def test_a_webhook_is_in_no_resolved_recipe() -> None:
    settings = PromotionSettings(webhook="https://host/secret")
    assert "secret" not in settings.model_dump_json()
    assert settings.webhook == "https://host/secret"


def test_every_setting_has_an_option() -> None:
    assert set(OPTIONS) == set(PromotionSettings.model_fields)


def test_the_task_is_the_recipes_unless_it_is_given(recipe: Path) -> None:
    recipe.write_text(
        "texts: {task: {kind: multiclass, classes: [a, b, c]}}\npromotion: {pairs: x.tsv}\n", encoding="utf-8"
    )
    found = promotion_settings(recipe, {})
    assert (found.task, found.classes, found.measured) == ("multiclass", ("a", "b", "c"), "accuracy")
    other = promotion_settings(recipe, {"task": "retrieval"})
    assert (other.classes, other.measured) == ((), "ndcg")
    dev = promotion_settings(recipe, {"task": "binary", "dev": "/dev.tsv"})
    assert (dev.classes, dev.measured, dev.dev) == ((), "f1", "/dev.tsv")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"metric": "f1"}, "metric: f1 does not go with regression; spearman or pearson"),
        ({"task": "multiclass"}, "classes: name the three or more that the artifact tells apart"),
        ({"task": "binary", "classes": ["a"]}, "classes: two of them, the second positive, not 1"),
        ({"task": "retrieval", "classes": ["a", "b"]}, "classes do not go with retrieval"),
        ({"task": "retrieval", "quoting": "csv"}, "quoting is of .tsv and .csv files of pairs, which retrieval"),
        ({"dev": "dev.tsv"}, "dev: a threshold is chosen on it, which regression has none of"),
    ],
)
def test_what_does_not_go_with_the_task_is_refused(options: dict[str, object], said: str) -> None:
    with pytest.raises(InputError, match=f"^promotion: {said}"):
        promotion_settings(None, options)


def test_a_set_of_the_recipes_suite_is_named(tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("measure: {sets: suites/suite.yaml}\npromotion: {set: scifact}\n", encoding="utf-8")
    found = promotion_settings(recipe, {})
    assert (found.set, found.pairs) == ("scifact", str(tmp_path / "suites/suite.yaml"))
    assert promotion_settings(None, {"set": "trec", "pairs": "suite.yaml"}).pairs == "suite.yaml"
    with pytest.raises(InputError, match="task does not go with set: trec, which says it itself"):
        promotion_settings(None, {"set": "trec", "task": "retrieval"})
    recipe.write_text("measure: {sets: {}}\npromotion: {set: scifact}\n", encoding="utf-8")
    with pytest.raises(InputError, match="give the file as measure.sets"):
        promotion_settings(recipe, {})
