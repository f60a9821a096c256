"""One training run in Lightning: resumes where it was killed, keeps the best weights, stops early.

Dropout is seeded by step and batches by epoch, so a resumed run takes the very steps that an undisturbed run takes.
In several processes (`launcher`) each takes its share of the same batches (`gather_rows`); the first one alone judges
epochs and writes files, and a checkpoint does not know how many there were.
"""

from __future__ import annotations

import logging
import signal
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import EarlyStopping
from lightning.pytorch.loggers import Logger
from safetensors.torch import load_file

from decant.errors import InputError
from decant.progress import Advance, Logged
from decant.training.batch_stream import Batch, BatchStream
from decant.training.checkpoint_callback import (
    BEST,
    DEV_METRIC,
    LAST,
    CheckpointCallback,
    StraightToFile,
    has_frozen,
    last_state,
    trained_weights,
)
from decant.training.curve_log import curve_loggers
from decant.training.ddp import trainer_options
from decant.training.devices import TrainerSettings
from decant.training.gather_rows import rank
from decant.training.launcher import drop_handed, launch
from decant.training.on_nan import LossError, Retries
from decant.training.optimizer import FitSettings, training_precision
from decant.training.recompute import bounded_activations
from decant.training.training import Training


def fit(
    module: LightningModule,
    stream: BatchStream,
    dev: Callable[[], float],
    training: Training[FitSettings],
    *,
    label: str,
    given: Sequence[Any] = (),
) -> None:
    """Train `module` in place and leave the weights that were best on dev in it.

    Args:
        dev: the metric on dev, higher is better; asked at the end of each epoch.
        training: its folder holds the best weights, too. With several devices, `module` and `stream` go to the other
            processes by cloudpickle, and its losses must be those of the whole batch, as `decant.training.gather_rows`
            makes them.
        label: what a watcher sees.
        given: the texts or pairs of the stream's rows, to name those of a batch whose loss is not a number.

    Raises:
        InputError: fewer training rows than two, or more devices than are there.
        LossError: a loss that is not a number, more often than `settings.on_nan` lets it be.
        RankError: one of several processes died.
    """
    if len(stream.lengths) < 2:
        raise InputError(f"{label}: {len(stream.lengths)} training pairs are too few; at least 2 are needed")
    folder, settings = training.folder, training.settings
    folder.mkdir(parents=True, exist_ok=True)
    if settings.epochs == 0:
        return
    retries = Retries(folder, settings.on_nan)
    start = trained_weights(module) if settings.on_nan is not None else None
    while True:
        work = partial(_train, module, stream, training.unseen, retries.rate)
        try:
            with training.watch(label, settings.epochs * len(stream)) as advance:
                more = training.watch.loggers(folder) if isinstance(training.watch, Logged) else ()
                with launch(work, training.devices, folder):
                    work(dev=dev, given=given, advance=advance, more=more)
            break
        except LossError as error:
            if start is None or not retries.again(error):
                raise
            module.load_state_dict(start, strict=not has_frozen(module))
    best = folder / BEST
    if best.is_file():
        module.load_state_dict(load_file(best), strict=not has_frozen(module))


def discard_checkpoints(folder: Path) -> None:
    """Drop what only an unfinished training needs, once its result is saved; the logs stay."""
    for name in (LAST, BEST):
        (folder / name).unlink(missing_ok=True)
    drop_handed(folder)


def _train(
    module: LightningModule, stream: BatchStream, training: Training[FitSettings], rate: float,
    dev: Callable[[], float] | None = None, given: Sequence[Any] = (), advance: Advance | None = None,
    more: Sequence[Logger] = (),
) -> None:  # fmt: skip
    """The training as one process sees it; the first has `dev`, `given`, `advance` and `more` loggers."""
    folder, settings = training.folder, training.settings
    checkpoints = CheckpointCallback(folder, dev, training.seed, settings.clip, stream, given, rate)
    callbacks: list[Callback] = [checkpoints, _stopper(settings)]
    if advance is not None:
        callbacks.append(_Follow(advance, settings.epochs))
    if training.devices.distributed:
        callbacks.append(_OwnSignals())
    resume, steps = last_state(folder, stream)
    torch.manual_seed(training.seed)
    module.strict_loading = not has_frozen(module)
    module.train()  # a model comes from its file in eval mode, and Lightning leaves it there: no dropout
    with _quiet_lightning(), bounded_activations(module) as kept:
        loggers = curve_loggers(folder, steps, more) if rank() == 0 else []
        trainer = _trainer(settings, training.devices, [kept, *callbacks], len(stream), loggers)
        trainer.fit(module, train_dataloaders=stream, ckpt_path=resume, weights_only=resume is not None or None)


def _trainer(
    settings: FitSettings, devices: TrainerSettings, callbacks: list[Callback], batches: int, loggers: list[Logger]
) -> Trainer:
    return Trainer(
        max_epochs=settings.epochs,
        precision=training_precision(settings),
        accumulate_grad_batches=settings.accumulate,
        logger=loggers or False,
        log_every_n_steps=max(1, min(10, batches // settings.accumulate)),
        callbacks=callbacks,
        plugins=[StraightToFile()],
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        **trainer_options(devices),
    )


def _stopper(settings: FitSettings) -> EarlyStopping:
    return EarlyStopping(DEV_METRIC, mode="max", patience=settings.patience, check_on_train_epoch_end=True)


class _OwnSignals(Callback):
    """Gives SIGTERM back to the process: Lightning's own handler sends a word to the others that they do not expect."""

    def __init__(self) -> None:
        self.handler = signal.getsignal(signal.SIGTERM)

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, self.handler)


class _Follow(Callback):
    """Moves the progress bar."""

    def __init__(self, advance: Advance, epochs: int) -> None:
        self.advance, self.epochs, self.begun = advance, epochs, False

    def on_train_batch_start(self, trainer: Trainer, module: LightningModule, batch: Batch, batch_idx: int) -> None:
        if not self.begun:
            self.begun = True
            self.advance(int(trainer.current_epoch * trainer.num_training_batches + batch_idx))

    def on_train_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: Any, batch: Batch, batch_idx: int
    ) -> None:
        dev = trainer.callback_metrics.get(DEV_METRIC)
        note = f"epoch {trainer.current_epoch + 1}/{self.epochs}"
        self.advance(1, note if dev is None else f"{note} · dev {100 * float(dev):.2f}")


@contextmanager
def _quiet_lightning() -> Iterator[None]:
    """Lightning's hints (workers, devices, tips) are not for the user of a recipe."""
    names = ["lightning.pytorch", "lightning.fabric", "lightning"]
    levels = [logging.getLogger(name).level for name in names]
    for name in names:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for name, level in zip(names, levels, strict=True):
            logging.getLogger(name).setLevel(level)
