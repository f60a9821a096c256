from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import pytest
from lightning.pytorch.loggers import Logger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from decant.progress import Advance, unwatched
from pipeline.tracking.loggers import curves_logger
from tests.decant.training.test_curve_log import BATCHES, EPOCHS, train


@dataclass(frozen=True)
class Tracked:
    """A watch with TensorBoard in the run's own folder."""

    folder: Path

    def __call__(self, label: str, total: int) -> AbstractContextManager[Advance]:
        return unwatched(label, total)

    def loggers(self, training: Path, /) -> list[Logger]:
        return [curves_logger(self.folder, "line", training)]


def test_a_resumed_training_has_each_step_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    tracked = Tracked(tmp_path / "tensorboard")
    monkeypatch.setattr("decant.training.checkpoint_callback.CHECKPOINT_SECONDS", -1.0)
    train(tmp_path / "training", dies_at=6, watch=tracked)  # after step 3 was logged, with a checkpoint of step 5
    train(tmp_path / "training", watch=tracked)
    steps = [one.step for one in EventAccumulator(str(tracked.folder / "line")).Reload().Scalars("loss")]
    assert steps == list(range(BATCHES - 1, EPOCHS * BATCHES, BATCHES))
