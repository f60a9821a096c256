"""A Lightning logger that hands a training's curves on under the training's name.

Lightning's own MLFlowLogger ends the MLflow run with each training, asks the server at every logged step, and lets a
server that is gone end the training; a run of ours has several trainings, and must not be lost with its tracker.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from lightning.pytorch.loggers import Logger
from lightning.pytorch.utilities import rank_zero_only


class CurveLogger(Logger):
    """Logs each figure as NAME/figure.

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
