"""What a run is said to do, why, and how long it is said to take."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from pipeline.plan import planned_stages
from pipeline.recipe.recipe import load_recipe
from pipeline.run import STAGES
from pipeline.run_dir import RunDir
from tests.tiny_runs import (
    Models,
    SmokeRun,
    decant,
    make_smoke_run,
    nested_recipe,
    read_log,
    tiny_recipe,
    write_project,
)  # fmt: skip

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


STAGE_OF = {folder: stage.name for stage in STAGES for folder in stage.folders}
MEASURED = ["measure", "artifacts", "report"]
ONLY_JUDGES = [
    "budget.latency_ms=50", "description=another", "promotion={margin: 0.5}", "tracking={prometheus: decant.prom}",
]  # fmt: skip


@pytest.fixture(scope="module")
def loaded_run(models: Models, tmp_path_factory: pytest.TempPathFactory) -> SmokeRun:
    """A finished run of a teacher that is trained already, which does not depend on the texts."""
    return make_smoke_run(tmp_path_factory.mktemp("loaded"), models, load=True)


def planned_and_run(done: SmokeRun, *changes: str) -> dict[str, str]:
    """Stage → why, of those that the plan names and the run then makes; both are held to be the same."""
    asked = [done.recipe, "--out", done.folder, *(one for change in changes for one in ("--set", change))]
    planned: list[dict[str, Any]] = decant("plan", *asked, "--json").json()
    before = len(done.log())
    said = decant("run", *asked)
    assert said.code == 0, said.err
    made: dict[str, str] = {}
    for line in read_log(done.folder)[before:]:
        if line["event"] == "begun":
            made.setdefault(STAGE_OF[line["stage"].partition("/")[0]], line["why"])
    assert {one["stage"]: one["state"] for one in planned} == {
        one["stage"]: "to do" if one["stage"] in made else "done" for one in planned
    }
    for one in planned:
        assert bool(one["why"]) == (one["state"] == "to do")
    first = next((one for one in planned if one["state"] == "to do"), None)
    assert first is None or first["why"] == made[first["stage"]]
    assert all(f" is made again: {why}" in said.err for why in made.values() if why != "first time")
    again = decant("plan", *asked, "--json").json()
    assert {one["state"] for one in again} == {"done"}
    return made


def copy_of(done: SmokeRun, folder: Path) -> SmokeRun:
    shutil.copytree(done.recipe.parent, folder)
    return SmokeRun(folder / "recipe.yaml", folder / "run", done.said)


@pytest.mark.smoke
@pytest.mark.parametrize(
    ("change", "made", "why"),
    [
        *((change, ["report"], None) for change in ONLY_JUDGES),
        ("measure.resamples=150", MEASURED, "measure.resamples 100 → 150"),
        ("export.precisions=[fp32]", ["graphs", *MEASURED], 'export.precisions ["fp32", "int8-dynamic"] → ["fp32"]'),
        ("student.epochs=2", ["student", "graphs", *MEASURED], "student.epochs 1 → 2"),
        ("student.alpha=0.25", ["student", "graphs", *MEASURED], "student.alpha 0.5 → 0.25"),
        ("seed=0", [], None),
    ],
)
def test_a_plan_says_what_the_run_makes_and_why(
    change: str, made: list[str], why: str | None, smoke_run: SmokeRun, tmp_path: Path
) -> None:
    found = planned_and_run(copy_of(smoke_run, tmp_path / "copy"), change)
    assert list(found) == made
    if why is not None:
        assert next(iter(found.values())) == why


@pytest.mark.smoke
def test_what_only_judges_is_named_in_the_report_alone(smoke_run: SmokeRun, tmp_path: Path) -> None:
    copied = copy_of(smoke_run, tmp_path / "copy")
    assert planned_and_run(copied, "budget.latency_ms=50") == {"report": "budget.latency_ms none → 50"}
    assert planned_and_run(copied, "budget.latency_ms=60") == {"report": "budget.latency_ms 50 → 60"}
    table = decant("plan", copied.recipe, "--out", copied.folder).text
    assert "budget.latency_ms 60 → none" in " ".join(table.split())


@pytest.mark.smoke
@pytest.mark.parametrize(
    ("name", "made"),
    [("test", ["texts", *MEASURED]), ("train", ["texts", "targets", "student", "graphs", *MEASURED])],
)
def test_other_texts_make_again_only_what_reads_them(
    name: str, made: list[str], loaded_run: SmokeRun, tmp_path: Path
) -> None:
    copied = copy_of(loaded_run, tmp_path / "copy")
    file = copied.recipe.parent / f"{name}.tsv"
    file.write_text(file.read_text(encoding="utf-8") + "a big dog\tthe small market\t3\n", encoding="utf-8")
    found = planned_and_run(copied)
    assert list(found) == made
    assert found["texts"] == f"{name}.tsv changed"


@pytest.mark.smoke
def test_a_damaged_stage_alone_is_made_again_where_it_comes_out_the_same(loaded_run: SmokeRun, tmp_path: Path) -> None:
    copied = copy_of(loaded_run, tmp_path / "copy")
    (copied.folder / "texts" / "test.parquet").unlink()
    planned = decant("plan", copied.recipe, "--out", copied.folder, "--json").json()
    assert {one["stage"]: one["why"] for one in planned if one["state"] == "to do"} == {"texts": "was damaged"}
