"""The curves of a training on disk. A resumed training goes on behind what the earlier process logged."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Sequence
from pathlib import Path

from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger

from decant.files import written_whole

FOLDER, LOG, EARLIER = "csv", "metrics.csv", "earlier.csv"
TENSORBOARD = "tensorboard"


def curve_loggers(folder: Path, steps: int, more: Sequence[Logger]) -> list[Logger]:
    """A CSV log, and TensorBoard's unless `more` has one.

    Args:
        folder: the training's.
        steps: optimizer steps that its checkpoint holds; what was logged of later ones is logged again, so it goes.
        more: further loggers.
    """
    loggers: list[Logger] = [csv_logger(folder, steps), *more]
    if not any(isinstance(one, TensorBoardLogger) for one in more):
        if not steps:
            shutil.rmtree(folder / TENSORBOARD, ignore_errors=True)
        loggers.append(TensorBoardLogger(folder, name="", version=TENSORBOARD, purge_step=steps or None))
    return loggers


def csv_logger(folder: Path, steps: int) -> CSVLogger:
    """Lightning's logger, which begins by removing the log that it finds: the first `steps` steps of it are put back.

    Killed at any moment in here, the next call finds them in one of two files.
    """
    log, earlier = folder / FOLDER / LOG, folder / FOLDER / EARLIER
    rows = logged(earlier if earlier.is_file() else log, steps)
    logger = CSVLogger(folder, name="", version=FOLDER)
    if not rows:
        earlier.unlink(missing_ok=True)
        return logger
    keys = sorted(rows[0])
    with written_whole(earlier) as path, path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, keys)
        writer.writeheader()
        writer.writerows(rows)
    logger.experiment.metrics_keys = keys
    earlier.replace(log)
    return logger


def logged(log: Path, steps: int) -> list[dict[str, str]]:
    """Rows of a log whose step is below `steps`; a last line that a kill has cut off is none."""
    if not log.is_file():
        return []
    lines = log.read_text(encoding="utf-8", errors="replace").replace("\0", "").splitlines(keepends=True)
    rows = csv.DictReader(line for line in lines if line.endswith("\n"))
    whole = [row for row in rows if None not in row and None not in row.values()]
    return [row for row in whole if row.get("step", "").isdecimal() and int(row["step"]) < steps]
