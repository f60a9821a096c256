"""Where a run's trainings log their curves, and TensorBoard's page of what the run came to.

Lightning's own MLFlowLogger ends the MLflow run with each training, asks the server at every logged step, and lets a
server that is gone end the training; a run of ours has several trainings, and must not be lost with its tracker.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import Logger, TensorBoardLogger
from lightning.pytorch.utilities import rank_zero_only

from decant.training.checkpoint_callback import saved_steps

RESULT = "result"


class CurveLogger(Logger):
    """Hands each figure on as NAME/figure.

    Args:
        training: name of the training, such as teacher.
        log: takes a key, a value and a step.
        flush: called where a training ends, well or not.
    """

    def __init__(self, training: str, log: Callable[[str, float, int], None], flush: Callable[[], None]) -> None:
        super().__init__()
        self.training, self._log, self._flush = training, log, flush

    @property
    def name(self) -> str:
        return self.training

    @property
    def version(self) -> str:
        return ""

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        for name, value in metrics.items():
            self._log(f"{self.training}/{name}", float(value), step or 0)

    @rank_zero_only
    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:
        """The run's own settings are logged once, with the run."""

    @rank_zero_only
    def finalize(self, status: str) -> None:
        self._flush()


def curves_logger(folder: Path, training: str, work: Path) -> TensorBoardLogger:
    """Lightning's logger of a training, in a folder of its name.

    Args:
        folder: the run's, for TensorBoard.
        training: name of the training.
        work: its folder of checkpoints; without any, it starts anew, and what an earlier one logged is removed. With
            one, what was logged of later steps is hidden, since it is logged again.
    """
    steps = saved_steps(work)
    if not steps:
        shutil.rmtree(folder / training, ignore_errors=True)
    return TensorBoardLogger(folder, name=None, version=training, purge_step=steps or None)


def write_result(
    folder: Path, values: Mapping[str, str], figures: Mapping[str, float], texts: Mapping[str, str]
) -> None:
    """Write a run's settings with its figures, as TensorBoard's HParams tab shows them, and its texts.

    Args:
        folder: the run's, for TensorBoard; what an earlier run wrote of its result is replaced.
        values: settings by key.
        figures: by key.
        texts: Markdown by title.
    """
    from torch.utils.tensorboard import SummaryWriter

    shutil.rmtree(folder / RESULT, ignore_errors=True)
    with SummaryWriter(str(folder / RESULT)) as writer:
        writer.add_hparams(dict(values), dict(figures), run_name=".")
        for title, text in texts.items():
            writer.add_text(title, text)
