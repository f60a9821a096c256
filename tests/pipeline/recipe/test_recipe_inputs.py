from pathlib import Path

import pytest
import yaml

from decant.errors import InputError
from pipeline.recipe.recipe import load_recipe, recipe_digest
from pipeline.run_dir import RunDir
from pipeline.snapshot import changed_file, read_snapshot
from pipeline.stages.stage import Run
from tests.tiny_runs import Models, SmokeRun, nested_recipe, tiny_recipe, write_project


def test_every_file_and_model_that_a_run_reads(models: Models, tmp_path: Path) -> None:
    content = nested_recipe(models, labelled=True)
    (tmp_path / "words.txt").write_text("guitar\n", encoding="utf-8")
    content["embedding"].pop("states", None)
    content["student"]["vocabulary"] = {"keep_from": "words.txt"}
    content["texts"]["unlabelled"] = ["train.tsv"]
    path = write_project(tmp_path, content)
    names = {path.name for path in Run(load_recipe(path), tmp_path, RunDir(tmp_path)).input_paths()}
    assert names == {"train.tsv", "dev.tsv", "test.tsv", "sentences.txt", "words.txt", models.encoder.name}


def test_a_file_that_is_not_there_is_named(models: Models, tmp_path: Path) -> None:
    path = write_project(tmp_path, tiny_recipe(models))
    (tmp_path / "dev.tsv").unlink()
    with pytest.raises(InputError, match=r"dev\.tsv: no such file or folder"):
        Run(load_recipe(path), tmp_path, RunDir(tmp_path)).input_paths()


def test_a_run_writes_down_what_it_read(smoke_run: SmokeRun) -> None:
    snapshot = read_snapshot(smoke_run.folder / "inputs.json")
    assert snapshot is not None
    assert {Path(root).name for root in snapshot} == {"train.tsv", "dev.tsv", "test.tsv", "bert"}
    assert changed_file(snapshot) is None


def test_what_a_promotion_asks_for_makes_no_other_artifact(models: Models, tmp_path: Path) -> None:
    path = write_project(tmp_path, tiny_recipe(models))
    plain = load_recipe(path)
    content = yaml.safe_load(path.read_text(encoding="utf-8")) | {"promotion": {"margin": 0.5, "pairs": "test.tsv"}}
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    asked = load_recipe(path)
    assert asked.promotion is not None
    assert (asked.promotion.margin, asked.promotion.speed.batch_sizes) == (0.5, (1,))
    assert recipe_digest(asked) == recipe_digest(plain)
