import csv
from pathlib import Path

import pytest
import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.loggers import Logger, TensorBoardLogger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import Tensor, nn

from decant.progress import Watch, unwatched
from decant.training import checkpoint_callback
from decant.training.batch_stream import Batch, BatchStream
from decant.training.curve_log import csv_logger, curve_loggers
from decant.training.fit import fit
from decant.training.optimizer import FitSettings, adamw
from decant.training.training import Training

EPOCHS, BATCHES = 3, 4


class Killed(BaseException):
    """Nothing of a training catches it."""


class Line(LightningModule):
    """y = 2x + 1; ends the process, as it were, in the step `dies_at`."""

    def __init__(self, settings: FitSettings, dies_at: int | None) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body, self.settings, self.dies_at = nn.Linear(1, 1), settings, dies_at

    def training_step(self, batch: Batch, index: int) -> Tensor:
        if self.dies_at is not None and self.trainer.global_step == self.dies_at:
            raise Killed
        loss = (self.body(batch["x"]) - 2 * batch["x"] - 1).square().mean()
        self.log("loss", loss)
        return loss

    def configure_optimizers(self) -> object:
        return adamw(self, self.settings, EPOCHS * BATCHES // self.settings.accumulate)


def train(
    folder: Path, dies_at: int | None = None, accumulate: int = 1, watch: Watch = unwatched
) -> list[tuple[int, str, str]]:
    """Step, loss and development figure of each line of the log."""
    settings = FitSettings(
        epochs=EPOCHS, learning_rate=0.1, batch_size=4, precision="32-true", patience=9, accumulate=accumulate
    )
    stream = BatchStream([1] * 4 * BATCHES, lambda rows: {"x": torch.as_tensor(rows).float()[:, None]}, 4, 0)
    module = Line(settings, dies_at)
    try:
        fit(module, stream, lambda: float(module.body.weight), Training(folder, settings, 0, watch=watch), label="line")
    except (Killed, SystemExit):
        assert dies_at is not None
    if not (folder / "csv" / "metrics.csv").is_file():  # killed before the first line
        return []
    with (folder / "csv" / "metrics.csv").open(encoding="utf-8", newline="") as file:
        return [(int(row["step"]), row.get("loss", ""), row.get("dev", "")) for row in csv.DictReader(file)]


@pytest.mark.parametrize("every", [1, 3])
@pytest.mark.parametrize(("dies_at", "accumulate"), [(1, 1), (2, 1), (6, 1), (11, 1), (3, 2)])
def test_the_curve_of_a_resumed_training_is_that_of_an_undisturbed_one(
    every: int, dies_at: int, accumulate: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    whole = train(tmp_path / "whole", accumulate=accumulate)
    saves = checkpoint_callback.CheckpointCallback._save
    counted: list[int] = []

    def save(keeper: checkpoint_callback.CheckpointCallback, trainer: object) -> None:
        counted.append(0)
        if len(counted) % every == 0:
            saves(keeper, trainer)

    monkeypatch.setattr(checkpoint_callback, "CHECKPOINT_SECONDS", -1.0)
    monkeypatch.setattr(checkpoint_callback.CheckpointCallback, "_save", save)
    train(tmp_path / "killed", dies_at, accumulate)
    resumed = train(tmp_path / "killed", accumulate=accumulate)
    assert resumed[0][0] == whole[0][0]
    assert resumed == whole
    losses = [step for step, loss, _ in resumed if loss]
    assert losses == sorted(set(losses))
    events = EventAccumulator(str(tmp_path / "killed" / "tensorboard")).Reload()
    assert [one.step for one in events.Scalars("loss")] == losses


@pytest.mark.filterwarnings("ignore:Experiment logs directory")
def test_a_line_that_a_kill_cut_off_does_not_count(tmp_path: Path) -> None:
    log = tmp_path / "csv" / "metrics.csv"
    log.parent.mkdir()
    log.write_text("epoch,loss,step\n0,0.5,4\n0,0.4,9\n0,0.3,14\n0,0.2,1", encoding="utf-8")  # 19 was cut
    csv_logger(tmp_path, 12).log_metrics({"loss": 0.1, "epoch": 1.0}, 14)
    assert log.read_text(encoding="utf-8") == "epoch,loss,step\n0,0.5,4\n0,0.4,9\n"


@pytest.mark.filterwarnings("ignore:Experiment logs directory")
def test_what_was_put_aside_when_the_process_was_killed_is_found(tmp_path: Path) -> None:
    log = tmp_path / "csv" / "metrics.csv"
    log.parent.mkdir()
    (log.parent / "earlier.csv").write_text("loss,step\n0.5,4\n", encoding="utf-8")
    csv_logger(tmp_path, 12)
    assert [path.name for path in log.parent.iterdir()] == ["metrics.csv"]
    assert log.read_text(encoding="utf-8") == "loss,step\n0.5,4\n"


def test_a_training_that_begins_anew_keeps_nothing(tmp_path: Path) -> None:
    log = tmp_path / "csv" / "metrics.csv"
    log.parent.mkdir()
    log.write_text("loss,step\n0.5,4\n", encoding="utf-8")
    logger = csv_logger(tmp_path, 0)
    with pytest.warns(UserWarning, match="exists and is not empty"):
        logger.log_metrics({"loss": 0.1}, 0)
    logger.save()
    assert log.read_text(encoding="utf-8") == "loss,step\n0.1,0\n"


def test_there_is_one_tensorboard_log(tmp_path: Path) -> None:
    given: list[Logger] = [TensorBoardLogger(tmp_path)]
    for more in ([], given):
        found = curve_loggers(tmp_path, 0, more)
        assert sum(isinstance(one, TensorBoardLogger) for one in found) == 1
