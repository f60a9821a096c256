"""One folder for TensorBoard: a run's settings and figures beside the curves of its trainings."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from lightning.pytorch.loggers import TensorBoardLogger

from decant.training.checkpoint_callback import LAST

RESULT = "result"


def curves_logger(folder: Path, training: str, work: Path) -> TensorBoardLogger:
    """Lightning's logger of a training, in a folder of its name.

    Args:
        folder: the run's, for TensorBoard.
        training: name of the training.
        work: its folder of checkpoints; without any, it starts anew, and what an earlier one logged is removed.
    """
    if not (work / LAST).is_file():
        shutil.rmtree(folder / training, ignore_errors=True)
    return TensorBoardLogger(folder, name=None, version=training)


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
