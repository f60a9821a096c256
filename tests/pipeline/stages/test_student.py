"""Students of a run: several seeds of one start, and the soup of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from students.pair_student import Student
from tests.tiny_runs import Models, decant, read_log, tiny_recipe, write_project

SOUP = {"seeds": [0, 1], "soup": True, "layers": [0, 2], "ffn_width": 24}


def run(folder: Path, models: Models, *arguments: object, **student: Any) -> Path:
    """The folder of a finished run, made or gone on with."""
    recipe = tiny_recipe(models)
    recipe["student"] |= student
    recipe["export"] |= {"precisions": ["fp32"]}
    path = folder / "recipe.yaml" if (folder / "recipe.yaml").is_file() else write_project(folder, recipe)
    said = decant("run", path, "--out", folder / "run", *arguments)
    assert said.code == 0, said.err
    return folder / "run"


def weights(folder: Path) -> dict[str, Tensor]:
    return Student.load(folder).state_dict()


@pytest.mark.smoke
def test_seeds_start_from_the_same_neurons_and_the_soup_is_their_mean(models: Models, tmp_path: Path) -> None:
    made = run(tmp_path, models, **SOUP, **{"epochs": 0})
    first, second = (weights(made / "students" / f"alpha0.5-seed{seed}") for seed in (0, 1))
    assert all(torch.equal(weight, second[name]) for name, weight in first.items()), "untrained, each is the start"
    run(tmp_path, models, "--set", "student.epochs=1")
    first, second = (weights(made / "students" / f"alpha0.5-seed{seed}") for seed in (0, 1))
    mean = weights(made / "students" / "soup")
    assert {name for name in mean if "layer." in name and "attention.self.query.weight" in name} == {
        f"encoder.backbone.encoder.layer.{number}.attention.self.query.weight" for number in (0, 1)
    }
    assert mean["encoder.backbone.encoder.layer.0.intermediate.dense.weight"].shape == (24, 32)
    for name, weight in mean.items():
        torch.testing.assert_close(weight, (first[name] + second[name]) / 2)
    assert any(not torch.equal(weight, second[name]) for name, weight in first.items())


@pytest.mark.smoke
@pytest.mark.parametrize("better", [True, False])
def test_the_soup_is_shipped_where_it_is_best_on_dev_and_the_report_says_so(
    better: bool, models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged = iter(np.arange(100.0) if better else -np.arange(100.0))
    monkeypatch.setattr("pipeline.stages.student.PairsOfStudent.judge", lambda *_: lambda: float(next(judged)))
    made = run(tmp_path, models, seeds=[3, 1], soup=True)
    chosen = "soup" if better else "alpha0.5-seed3"
    shipped, wanted = ((made / part / "trained.json").read_bytes() for part in ("student", f"students/{chosen}"))
    assert shipped == wanted
    report = json.loads((made / "report" / "report.json").read_text(encoding="utf-8"))
    said = "The student's weights are the mean of those of seeds 3, 1: on dev it is better than each."
    assert (said in report.get("notes", [])) == better
    assert ("training_curves" in report) == (made / "report" / "training.png").is_file() == (not better)


@pytest.mark.smoke
def test_another_seed_of_the_recipe_chooses_the_neurons_again(models: Models, tmp_path: Path) -> None:
    run(tmp_path, models, ffn_width=24, epochs=0)
    before = len(read_log(tmp_path / "run"))
    run(tmp_path, models, "--set", "seed=1")
    begun = {event["stage"] for event in read_log(tmp_path / "run")[before:] if event["event"] == "begun"}
    assert "students/alpha0.5-seed0" in begun
