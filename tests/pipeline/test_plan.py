"""How long a run is said to take."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.plan import planned_stages
from pipeline.recipe.recipe import load_recipe
from pipeline.run_dir import RunDir
from tests.tiny_runs import Models, nested_recipe, write_project

ATTENTION, NORMS = 4 * (32 * 32 + 32), 4 * 32  # weights of a layer, 32 wide


def layer_weights(neurons: int) -> int:
    return ATTENTION + NORMS + 2 * 32 * neurons + neurons + 32


def test_a_smaller_student_takes_less(models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.stages.estimate.speed", lambda settings: 1.0)
    path = write_project(tmp_path, nested_recipe(models, labelled=True))

    def seconds(*changes: str) -> dict[str, float]:
        recipe = load_recipe(path, ["embedding.states=null", "export.cuts=[]", *changes])
        return {one.stage: one.seconds - 10 for one in planned_stages(recipe, tmp_path, RunDir(tmp_path / "run"))}

    whole, small = seconds(), seconds("student.layers=[0, 2]", "student.ffn_width=24")
    ratio = 2 * layer_weights(24) / (3 * layer_weights(64))
    assert small["embed"] == pytest.approx(ratio * whole["embed"])
    assert small["student"] == pytest.approx(ratio * whole["student"])
    assert small["vectors"] == pytest.approx(whole["vectors"]), "the teacher is as large as before"
