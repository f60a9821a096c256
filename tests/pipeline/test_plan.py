"""How long a run is said to take."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.plan import planned_stages
from pipeline.recipe.recipe import load_recipe
from pipeline.run_dir import RunDir
from tests.tiny_runs import Models, nested_recipe, tiny_recipe, write_project

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


def test_measuring_takes_as_long_as_the_models_and_rounds_say(
    models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.stages.estimate.operations", lambda kind: 1e30)
    monkeypatch.setattr("pipeline.stages.estimate_measure.TORCH_LAYER", 0.0)
    monkeypatch.setattr("pipeline.stages.estimate_measure.ONNX_LAYER", 0.0)
    path = write_project(tmp_path, tiny_recipe(models))

    def seconds(*changes: str) -> float:
        asked = ["measure.speed.pause_ms=1000", "export.precisions=[fp32, int8-dynamic]", *changes]
        stages = planned_stages(load_recipe(path, asked), tmp_path, RunDir(tmp_path / "run"))
        return next(one.seconds for one in stages if one.stage == "measure")

    timed = 4  # the teacher, the student, and an artifact in each precision
    whole = seconds()
    assert seconds("measure.speed.rounds=12") - whole == pytest.approx(10 * timed)
    assert seconds("measure.speed.batch_rounds=6") - whole == pytest.approx(5 * timed + 5 * 3), (
        "and queries to encoders"
    )
    assert seconds("measure.speed.batch_sizes=[1]") - whole == pytest.approx(-timed)
    assert seconds("measure.speed.lengths=[8, 16, 64]") - seconds("measure.speed.lengths=[8]") == pytest.approx(3)
    assert seconds("measure.speed.part_rounds=7") - whole == pytest.approx(5 * 2), "artifacts alone"
    fewer = seconds("export.precisions=[fp32]")
    assert whole - fewer > 3, "an artifact less"


def test_graphs_take_as_long_as_the_parity_texts_say(
    models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.stages.estimate.operations", lambda kind: 1.0)
    monkeypatch.setattr("pipeline.stages.estimate_graphs.RATES", {"fp32": 2.0, "int8-row": 4.0})
    path = write_project(tmp_path, tiny_recipe(models))

    def seconds(*changes: str) -> float:
        recipe = load_recipe(path, ["export.parity.texts=16", *changes])
        return next(
            one.seconds for one in planned_stages(recipe, tmp_path, RunDir(tmp_path / "run")) if one.stage == "graphs"
        )

    a_token = 2 * 3 * layer_weights(64)
    every_length, beside, padded = 32**2 / 2, 32 * 16 / 15 * 32, 32 * 32  # a text of each of 32 lengths, and no other
    in_graph = every_length + beside + padded
    one, both = seconds("export.precisions=[fp32]"), seconds("export.precisions=[fp32, int8-row]")
    assert one == pytest.approx(a_token * (every_length + in_graph / 2), rel=0.01)
    assert both - one == pytest.approx(a_token * in_graph / 4, rel=0.01)


def test_a_teachers_own_size_is_what_its_training_is_reckoned_by(
    models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.stages.estimate.speed", lambda settings: 1.0)
    path = write_project(tmp_path, tiny_recipe(models, load=False))

    def seconds(*changes: str) -> dict[str, float]:
        recipe = load_recipe(path, list(changes))
        return {one.stage: one.seconds - 10 for one in planned_stages(recipe, tmp_path, RunDir(tmp_path / "run"))}

    whole, small = seconds(), seconds("student.layers=[0]")
    assert small["teacher"] == whole["teacher"] > 0
    assert small["student"] == pytest.approx(whole["student"] / 3)
