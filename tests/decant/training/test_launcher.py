"""Trainings in two processes that really run, over gloo."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from lightning.pytorch import LightningModule
from numpy.typing import NDArray
from torch import Tensor, nn
from torch import distributed as dist

from decant.errors import InputError, RankError
from decant.training.batch_stream import Batch, BatchStream
from decant.training.devices import ONE_PROCESS, TrainerSettings
from decant.training.fit import fit
from decant.training.gather_rows import ROWS, from_first, gather_rows, rank, world
from decant.training.launcher import launch
from decant.training.on_nan import LossError, OnNan
from decant.training.optimizer import FitSettings, adamw
from decant.training.training import Training

TWO = TrainerSettings(devices=2, accelerator="cpu")
ROW_COUNT, BATCHES = 27, 7  # the last batch has three rows
SETTINGS = FitSettings(epochs=3, learning_rate=0.05, batch_size=4, patience=9, precision="32-true", accumulate=2)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def refuse() -> None:
    raise InputError("of rank 1")


def fail() -> None:
    raise ZeroDivisionError


class Curve(LightningModule):
    """y = sin(3x), by a loss that is no mean over rows; one layer of two is trained by every third batch.

    Args:
        fault: what the second process does at a step, counted from 0 in this process.
    """

    def __init__(self, fault: Callable[[], None] | None = None, step: int = -1) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Sequential(nn.Linear(1, 8), nn.Tanh(), nn.Linear(8, 1))
        self.odd = nn.Linear(1, 1)
        self.fault, self.step, self.seen = fault, step, 0

    def training_step(self, batch: Batch, index: int) -> Tensor:
        if rank() == 1 and self.fault is not None and self.seen == self.step:
            self.fault()
        self.seen += 1
        x = gather_rows(batch["x"], batch.get(ROWS))
        y = gather_rows(self.body(batch["x"]) + (self.odd(batch["x"]) if index % 3 == 0 else 0.0), batch.get(ROWS))
        loss = (y - torch.sin(3 * x)).square().sum().sqrt()
        self.log("loss", loss)
        return loss

    def configure_optimizers(self) -> object:
        return adamw(self, SETTINGS, BATCHES)


class Spoilt(Curve):
    """The second loss at a whole learning rate is not a number, in every process."""

    def training_step(self, batch: Batch, index: int) -> Tensor:
        loss = super().training_step(batch, index)
        whole = self.trainer.optimizers[0].param_groups[0]["initial_lr"] == SETTINGS.learning_rate
        return loss * float("nan") if whole and index == 1 else loss


def collate(rows: NDArray[np.int64]) -> Batch:
    return {"x": torch.as_tensor(rows, dtype=torch.float32)[:, None] / ROW_COUNT}


def judged(*metrics: float) -> Callable[[], float]:
    left = list(metrics)

    def dev() -> float:
        if not left:
            raise RuntimeError("dev has failed")
        return left.pop(0)

    return dev


def train(
    folder: Path, devices: TrainerSettings, module: Curve | None = None, dev: Callable[[], float] | None = None
) -> dict[str, Tensor]:
    curve = module or Curve()
    stream = BatchStream([1] * ROW_COUNT, collate, SETTINGS.batch_size, 0)
    fit(curve, stream, dev or judged(0.1, 0.3, 0.2), Training(folder, SETTINGS, 0, devices), label="curve")
    return {name: weight.detach().clone() for name, weight in curve.state_dict().items()}


def assert_alike(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    for name, weight in expected.items():
        torch.testing.assert_close(found[name], weight, rtol=1e-5, atol=1e-5, msg=name)


@pytest.fixture(autouse=True)
def two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("decant.training.devices.usable_cores", lambda: 2)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Tensor]:
    weights = train(tmp_path_factory.mktemp("alone"), ONE_PROCESS)
    assert not torch.allclose(weights["body.0.weight"], Curve().body[0].weight, atol=1e-2)
    return weights


def test_two_processes_train_what_one_does(alone: dict[str, Tensor], tmp_path: Path) -> None:
    module, threads = Curve(), torch.get_num_threads()
    assert_alike(train(tmp_path, TWO, module), alone)
    assert module.seen == SETTINGS.epochs * BATCHES
    assert (world(), from_first(3.0), torch.get_num_threads()) == (1, 3.0, threads)
    assert {path.name for path in tmp_path.iterdir()} == {"best.safetensors", "best.json", "csv", "tensorboard"}


def test_the_other_process_maps_big_arrays_from_files_that_are_gone(tmp_path: Path) -> None:
    (tmp_path / ".handed.left").mkdir()  # by a killed run
    targets = np.arange(2**18, dtype=np.float32)
    place = str(tmp_path)

    def work() -> list[float]:
        found = torch.tensor([float(targets.sum()), float(place in Path("/proc/self/maps").read_text())])
        dist.all_reduce(found)
        return found.tolist()

    with launch(work, TWO, tmp_path):
        assert list(tmp_path.iterdir()) == []
        assert work() == [2 * float(targets.sum()), 1]


@pytest.mark.slow
@pytest.mark.parametrize("numbers", [(TWO, ONE_PROCESS), (ONE_PROCESS, TWO), (TWO, TWO)])
def test_a_training_goes_on_in_any_number_of_processes(
    numbers: tuple[TrainerSettings, TrainerSettings],
    alone: dict[str, Tensor],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("decant.training.checkpoint_callback.CHECKPOINT_SECONDS", -1.0)
    with pytest.raises(RuntimeError, match="dev has failed"):
        train(tmp_path, numbers[0], dev=judged(0.1))
    assert (tmp_path / "last.ckpt").is_file()
    module = Curve()
    assert_alike(train(tmp_path, numbers[1], module, judged(0.3, 0.2)), alone)
    assert module.seen < 2 * BATCHES


@pytest.mark.slow
def test_a_killed_process_ends_the_training(
    alone: dict[str, Tensor], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("decant.training.checkpoint_callback.CHECKPOINT_SECONDS", -1.0)
    with pytest.raises(RankError, match="process 2 of 2 of the training was killed by SIGKILL, as a system out of mem"):
        train(tmp_path, TWO, Curve(die, 11))
    assert_alike(train(tmp_path, ONE_PROCESS, dev=judged(0.3, 0.2)), alone)


@pytest.mark.slow
def test_an_error_of_another_process_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="^of rank 1$"):
        train(tmp_path / "refused", TWO, Curve(refuse, 3))
    with pytest.raises(RuntimeError, match=r"(?s)process 2 of 2 of the training failed:.*ZeroDivisionError"):
        train(tmp_path / "failed", TWO, Curve(fail, 0))


def test_more_processes_than_cores(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="devices: 3 processes are more than the 2 cores"):
        train(tmp_path, TrainerSettings(devices=3, accelerator="cpu"))


@pytest.mark.slow
def test_a_loss_that_is_not_a_number_is_named_once_and_trained_past(tmp_path: Path) -> None:
    how = SETTINGS.model_copy(update={"on_nan": OnNan(factor=0.5)})
    stream = lambda: BatchStream([1] * ROW_COUNT, collate, SETTINGS.batch_size, 0)
    pairs = [f"row {row}" for row in range(ROW_COUNT)]
    with pytest.raises(LossError, match="the loss is nan at step 1;") as caught:
        fit(Spoilt(), stream(), lambda: 0.0, Training(tmp_path / "a", SETTINGS, 0, TWO), label="c", given=pairs)
    assert caught.value.batch["texts"] == [f"row {row}" for row in stream().batches(0)[1]]
    module = Spoilt()
    fit(module, stream(), lambda: 0.0, Training(tmp_path / "b", how, 0, TWO), label="c")
    assert module.seen == 2 + SETTINGS.epochs * BATCHES
