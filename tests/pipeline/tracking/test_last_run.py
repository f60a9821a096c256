import re
from pathlib import Path
from typing import Any

import pytest

from decant.errors import GateError, InputError
from pipeline.cli.app import Interrupted
from pipeline.recipe.recipe import Recipe, load_recipe
from pipeline.run_dir import RunDir
from pipeline.screen.console import Screen
from pipeline.tracking.last_run import recorded
from tests.prometheus_reader import read_textfile
from tests.tiny_runs import Models, SmokeRun, decant, tiny_recipe, write_project


@pytest.fixture
def recipe(models: Models, tmp_path: Path) -> Recipe:
    content = tiny_recipe(models) | {"tracking": {"prometheus": "collected"}}
    (tmp_path / "collected").mkdir()
    return load_recipe(write_project(tmp_path, content))


def ended(recipe: Recipe, base: Path, run: Path, error: BaseException | None = None) -> dict[tuple[str, ...], float]:
    caught = None
    try:
        with recorded(recipe, base, RunDir(run), Screen()):
            if error is not None:
                raise error
    except BaseException as one:
        caught = one
    assert caught is error
    return read_textfile(base / "collected" / "decant_tiny-regression.prom")


def test_how_a_run_ended_and_what_it_would_ship(recipe: Recipe, smoke_run: SmokeRun, tmp_path: Path) -> None:
    name = "name=tiny-regression"
    done = ended(recipe, tmp_path, smoke_run.folder)
    assert done["decant_run_status", name, "status=done"] == 1
    assert sum(value for key, value in done.items() if key[0] == "decant_run_status") == 1
    assert 0 <= done["decant_run_duration_seconds", name] < 60
    success = done["decant_run_last_success_timestamp_seconds", name]
    assert success == done["decant_run_end_timestamp_seconds", name] > 1.7e9

    report = decant("report", smoke_run.folder, "--json").json()
    row: dict[str, Any] = next(row for row in report["rows"] if row["name"] == report["selected"])
    pick = f"artifact={row['name']}"
    measured = row["metrics"]["tiny-regression/test"]
    where = "set=tiny-regression/test"
    assert done["decant_pick_accuracy", pick, "metric=spearman", name, where] == measured["spearman"]
    assert done["decant_pick_accuracy_ci95_low", pick, "metric=spearman", name, where] == measured["ci95"][0]
    assert done["decant_pick_size_bytes", pick, name] == pytest.approx(row["size_mib"] * 1024 * 1024)
    p95 = row["latency_ms"]["1"]["p95"]
    assert done["decant_pick_latency_seconds", pick, "batch=1", name, "quantile=0.95"] == pytest.approx(p95 / 1000)

    for error, state in [
        (GateError("missed"), "gate_failed"),
        (InputError("bad"), "bad_input"),
        (RuntimeError("a defect"), "failed"),
        (Interrupted(), "interrupted"),
    ]:
        later = ended(recipe, tmp_path, tmp_path / "nothing there", error)
        assert later["decant_run_status", name, f"status={state}"] == 1
        assert later["decant_run_last_success_timestamp_seconds", name] == success
        assert later["decant_run_end_timestamp_seconds", name] > success
        assert not [key for key in later if key[0].startswith("decant_pick")]
    assert [path.name for path in (tmp_path / "collected").iterdir()] == ["decant_tiny-regression.prom"]


def test_the_command_writes_it_for_bad_input_but_not_for_a_folder_that_is_taken(models: Models, tmp_path: Path) -> None:
    write_project(tmp_path, tiny_recipe(models))
    (tmp_path / "train.tsv").unlink()
    file, run = tmp_path / "mine.prom", tmp_path / "run"
    command = ["run", tmp_path / "recipe.yaml", "--out", run, "--set", f"tracking.prometheus={file}"]
    assert decant(*command).code == 2
    assert read_textfile(file)["decant_run_status", "name=tiny-regression", "status=bad_input"] == 1
    file.unlink()
    write_project(tmp_path, tiny_recipe(models))
    with RunDir(run).locked():
        said = decant(*command)
    assert "another run is at work" in said.err
    assert said.code == 75
    assert not file.exists()


def test_a_folder_that_is_not_there_is_an_error_of_the_recipe(models: Models, tmp_path: Path) -> None:
    recipe = write_project(tmp_path, tiny_recipe(models) | {"tracking": {"prometheus": "collected"}})
    said = decant("run", recipe, "--out", tmp_path / "run")
    assert said.code == 2
    assert said.lines == [
        f"tiny-regression: a run in {tmp_path / 'run'}",
        f"decant: tracking.prometheus: {tmp_path / 'collected'} is no folder; name that of node_exporter's textfile "
        "collector",
    ]


def test_what_cannot_be_written_is_told_of_and_nothing_else(
    recipe: Recipe, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "collected" / "decant_tiny-regression.prom").mkdir()
    with recorded(recipe, tmp_path, RunDir(tmp_path / "run"), Screen(quiet=True)):
        pass
    err = capsys.readouterr().err
    assert re.fullmatch(r"decant: tracking\.prometheus: .*regression\.prom cannot be written \(.*\); the run .*\n", err)
