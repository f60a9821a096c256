"""Students of a run: several seeds of one start, and the soup of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from students.student import Student
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


def test_another_seed_of_the_recipe_chooses_the_neurons_again(models: Models, tmp_path: Path) -> None:
    run(tmp_path, models, ffn_width=24, epochs=0)
    before = len(read_log(tmp_path / "run"))
    run(tmp_path, models, "--set", "seed=1")
    begun = {event["stage"] for event in read_log(tmp_path / "run")[before:] if event["event"] == "begun"}
    assert "students/alpha0.5-seed0" in begun
