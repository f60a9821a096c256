"""Whole runs whose trainings take two processes."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from tests.tiny_runs import Models, decant, nested_recipe, tiny_recipe, write_project

pytestmark = pytest.mark.slow

TWO = {"devices": 2, "accelerator": "cpu"}
# The command line, where a training takes a second a step, so that it can be interrupted, and keeps every step.
SLOW = """
import os, time
os.environ["TORCH_CPP_LOG_LEVEL"] = "ERROR"  # as the command line does before it loads torch
import decant.training.devices, decant.training.checkpoint_callback
decant.training.devices.usable_cores = lambda: 2
decant.training.checkpoint_callback.CHECKPOINT_SECONDS = 0.0
seeding = decant.training.checkpoint_callback.CheckpointCallback.on_train_batch_start

def slowly(self, trainer, module, batch, batch_idx):
    (self.last.parent / "stepping").touch()
    time.sleep(1.0)
    seeding(self, trainer, module, batch, batch_idx)

decant.training.checkpoint_callback.CheckpointCallback.on_train_batch_start = slowly
from pipeline.cli.app import main
main()
"""


@pytest.fixture(autouse=True)
def two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("decant.training.devices.usable_cores", lambda: 2)


@pytest.mark.parametrize("kind", ["plain", "comparator", "nested"])
def test_two_processes_give_the_report_of_one(kind: str, models: Models, tmp_path: Path) -> None:
    recipe = tiny_recipe(models, "multiclass" if kind == "comparator" else "regression", load=False)
    if kind == "nested":
        recipe = nested_recipe(models, labelled=True)
    runs = {}
    for name, trainer in {"one": {}, "two": TWO}.items():
        path = write_project(tmp_path / name, recipe | {"trainer": trainer})
        said = decant("run", path, "--out", tmp_path / name / "run", "-q")
        assert said.code == 0, said.err
        runs[name] = tmp_path / name / "run"
    one, two = (measured(run) for run in runs.values())
    assert one.keys() == two.keys()
    assert two == pytest.approx(one, abs=2e-3)  # of 24 test pairs, two that change places move Spearman by 1e-3


def measured(run: Path) -> dict[str, float]:
    """Every figure of every row that tells of accuracy."""
    rows = json.loads((run / "report" / "report.json").read_text(encoding="utf-8"))["rows"]
    return {
        f"{row['name']} {name}": float(value)
        for row in rows
        for found in row["metrics"].values()
        for name, value in found.items()
        if isinstance(value, float)
    }


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_training_leaves_no_process(number: signal.Signals, models: Models, tmp_path: Path) -> None:
    process, child = in_training(models, tmp_path)
    os.killpg(process.pid, number)  # as a terminal does
    said = end_of(process)
    assert said == (130, "decant: interrupted; the same command goes on from here\n")
    assert not Path(f"/proc/{child}").exists()


def test_a_run_whose_process_is_killed_says_so_in_one_line_and_goes_on(models: Models, tmp_path: Path) -> None:
    process, child = in_training(models, tmp_path)
    wait_for(tmp_path / "run", "last.ckpt")
    os.kill(child, signal.SIGKILL)
    code, said = end_of(process)
    assert code == 1
    assert said == (
        "decant: process 2 of 2 of the training was killed by SIGKILL, as a system out of memory does; the same "
        "command goes on from the last checkpoint, with any trainer.devices\n"
    )
    (kept,) = (tmp_path / "run").rglob("last.ckpt")
    assert torch.load(kept, weights_only=True)["global_step"] > 0
    assert decant("run", tmp_path / "recipe.yaml", "--out", tmp_path / "run", "-q").code == 0


def test_no_process_outlives_a_killed_run(models: Models, tmp_path: Path) -> None:
    process, child = in_training(models, tmp_path)
    process.kill()
    end_of(process)
    until = time.monotonic() + 30
    while Path(f"/proc/{child}/exe").exists() and time.monotonic() < until:
        time.sleep(0.2)
    assert not Path(f"/proc/{child}/exe").exists()


def in_training(models: Models, tmp_path: Path) -> tuple[subprocess.Popen[str], int]:
    """A run that trains in two processes, and the second one's number."""
    path = write_project(tmp_path, tiny_recipe(models, load=False) | {"trainer": TWO})
    command = [sys.executable, "-c", SLOW, "run", str(path), "--out", str(tmp_path / "run"), "-q"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    wait_for(tmp_path, "stepping")
    (child,) = children_of(process.pid)
    return process, child


def wait_for(folder: Path, name: str) -> None:
    """Until a file of this name is somewhere below the folder, two minutes at most."""
    until = time.monotonic() + 120
    while not list(folder.rglob(name)) and time.monotonic() < until:
        time.sleep(0.2)


def end_of(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Exit code and stderr of a process that ends within a minute."""
    said = process.communicate(timeout=60)[1]
    return process.returncode, said


def children_of(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8")
    return [int(child) for child in found.split()]
