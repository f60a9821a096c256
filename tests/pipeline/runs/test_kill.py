"""A run that is killed goes on with the same command, and ends as an undisturbed run does."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.made_stages import NAMES
from tests.tiny_runs import Models, SmokeRun, decant, nested_recipe, read_log, tiny_recipe, write_project

pytestmark = pytest.mark.smoke

# Runs the command line with a process that kills itself: as a stage begins, or when all of it is written but not in
# place yet, or once a training has ended an epoch.
KILLED = """
import os, signal, sys
import torch
from pipeline.run_dir import RunDir
from decant.training.checkpoint_callback import CheckpointCallback
torch.set_num_threads(1)
stage, moment = sys.argv.pop(1), sys.argv.pop(1)
note, replace, epoch_end = RunDir.note, RunDir._replace, CheckpointCallback.on_train_epoch_end

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def noting(self, **facts):
    note(self, **facts)
    if moment == "begun" and facts["event"] == "begun" and facts["stage"].startswith(stage):
        die()

def replacing(self, work, folder):
    if moment == "written" and work.name.startswith(stage + "-"):
        die()
    replace(self, work, folder)

def ending(self, trainer, module):
    epoch_end(self, trainer, module)
    if moment == "trained" and f"{stage}-" in str(self.last):
        die()

RunDir.note, RunDir._replace, CheckpointCallback.on_train_epoch_end = noting, replacing, ending
from pipeline.cli.app import main
main()
"""
ROAD = [stage for stage in NAMES if stage not in ("reranker", "table", "candidates")]  # these recipes make none
WRITTEN = [(stage, "written") for stage in ROAD]
TRAINED = [("teacher", "trained"), ("embed", "trained"), ("students", "trained")]
NESTED = {"vectors", "mine", "embed"}  # stages of embedding teachers
BEGUN = [(stage, "begun") for stage in ROAD]
SHORT = {("graphs", "written"), ("students", "trained")}


@pytest.fixture(scope="session")
def nested_run(models: Models, tmp_path_factory: pytest.TempPathFactory) -> SmokeRun:
    """An undisturbed run with embedding teachers."""
    folder = tmp_path_factory.mktemp("nested")
    recipe = write_project(folder, nested_recipe(models, labelled=True))
    return SmokeRun(recipe, folder / "run", decant("run", recipe, "--out", folder / "run"))


@pytest.mark.parametrize(
    ("stage", "moment"),
    [
        pytest.param(*one, marks=[] if one in SHORT else pytest.mark.slow, id="-".join(one))
        for one in WRITTEN + TRAINED + BEGUN
    ],
)
def test_a_killed_run_goes_on(
    stage: str, moment: str, models: Models, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    nested = stage in NESTED
    undisturbed: SmokeRun = request.getfixturevalue("nested_run" if nested else "smoke_run")
    content = nested_recipe(models, labelled=True) if nested else tiny_recipe(models, load=False)
    stages = [one for one in ROAD if one not in ({"teacher", "targets"} if nested else NESTED)]
    recipe, run = write_project(tmp_path, content), tmp_path / "run"
    command = [sys.executable, "-c", KILLED, stage, moment, "run", str(recipe), "--out", str(run), "-q"]
    killed = subprocess.run(command, capture_output=True, text=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    name = stage.replace("students", "student")
    assert not (run / name).exists()
    finished = {path: path.read_bytes() for path in run.glob(".stages/*.json")}
    assert {path.stem for path in finished} >= set(stages[: stages.index(name)])
    before = len(read_log(run))

    said = decant("run", recipe, "--out", run, "-q")
    assert said.code == 0, said.err
    assert {path: path.read_bytes() for path in finished} == finished
    reused = [line["stage"] for line in read_log(run)[before:] if line["event"] == "reused"]
    assert [one for one in reused if one in NAMES] == stages[: stages.index(name)]
    assert not (run / ".work").exists()
    for one, other in zip(metrics(run), metrics(undisturbed.folder), strict=True):
        assert one["name"] == other["name"]
        assert one["value"] == pytest.approx(other["value"], abs=1e-6)


def metrics(run: Path) -> list[dict[str, Any]]:
    """Each row's name and figures, the intervals among them."""
    rows = json.loads((run / "report" / "report.json").read_text(encoding="utf-8"))["rows"]
    return [
        {"name": row["name"], "value": [figure for found in row["metrics"].values() for figure in figures(found)]}
        for row in rows
    ]


def figures(found: dict[str, Any]) -> list[float]:
    return [found[name] for name in ("spearman", "pearson")] + found["ci95"]
