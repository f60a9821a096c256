"""One training run in Lightning: resumes where it was killed, keeps the best weights, stops early.

Dropout is seeded by step and batches by epoch, so a resumed run takes the very steps that an undisturbed run takes.
Of a module with frozen weights, checkpoints hold the others: the frozen ones are as they were when it was made.
In several processes (`teachers.ranks`) each takes its share of the same batches (`teachers.joint`); the first one alone
judges epochs and writes files, and a checkpoint does not know how many there were.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import EarlyStopping
from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger
from numpy.typing import NDArray
from pydantic import BaseModel, Field
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.optim import Optimizer

from teachers.batches import bucketed_batches
from teachers.bfloat16 import bfloat16_is_native
from teachers.ddp import trainer_options
from teachers.devices import ONE_PROCESS, TrainerSettings
from teachers.errors import InputError
from teachers.joint import ROWS, from_first, rank, share, world
from teachers.on_nan import LossError, OnNan, Retries, loss_error
from teachers.progress import Advance, Logged, Watch, unwatched
from teachers.quantized import in_head
from teachers.ranks import ranks

Batch = dict[str, Tensor]
DEV_METRIC = "dev"
LAST, BEST = "last.ckpt", "best.safetensors"
CHECKPOINT_SECONDS = 30.0
NO_DECAY = ("bias", "norm")


class FitSettings(BaseModel, frozen=True, extra="forbid"):
    """Optimisation, the same for teachers and students."""

    epochs: int = Field(3, ge=0, le=1000, description="passes over the training pairs; 0 trains nothing")
    learning_rate: float = Field(5.0e-5, gt=0, lt=1, description="peak of AdamW's learning rate")
    batch_size: int = Field(32, ge=2, le=4096, description="pairs a batch")
    accumulate: int = Field(1, ge=1, le=1024, description="batches an optimiser step")
    warmup_share: float = Field(0.1, ge=0, le=1, description="share of the steps in which the rate rises from 0")
    head_rate: float = Field(1.0, gt=0, le=1000, description="learning rate of a new head, times the body's")
    dropout: float = Field(0.0, ge=0, lt=1, description="every dropout while training; 0 is faster on a CPU")
    weight_decay: float = Field(0.01, ge=0, le=1, description="AdamW's decay; none on biases and norms")
    clip: float = Field(1.0, gt=0, description="largest norm of the gradient")
    patience: int = Field(2, ge=1, description="epochs without a better dev metric before training stops")
    precision: Literal["auto", "32-true", "bf16-mixed"] = Field(
        "auto", description="auto: bf16-mixed where the processor multiplies bfloat16 natively, 32-true elsewhere"
    )
    on_nan: OnNan | None = Field(
        None,
        exclude_if=lambda value: value is None,  # so that no finished training depends on there being such a setting
        description="go on at a lower rate after a loss that is not a number; default: stop",
    )


class BatchStream:
    """The batches of every epoch, each drawn from its seed and epoch alone; one iteration gives one epoch.

    In several processes each gets its share of every batch, which then holds ROWS, as `teachers.joint` has it.

    Args:
        lengths: tokens of each row.
        collate: row numbers → a batch.
        draw: an epoch's random numbers → its batches, as many in every epoch; default: of like length.
    """

    def __init__(
        self, lengths: Sequence[int] | NDArray[np.int64], collate: Callable[[NDArray[np.int64]], Batch],
        batch_size: int, seed: int,
        draw: Callable[[np.random.Generator], list[NDArray[np.int64]]] | None = None,
    ) -> None:  # fmt: skip
        self.lengths, self.collate, self.seed = lengths, collate, seed
        self.draw = draw or (lambda generator: bucketed_batches(lengths, batch_size, generator))
        self.epoch, self.skip = 0, 0

    @cached_property
    def _length(self) -> int:
        return len(self.batches(0))

    def __len__(self) -> int:
        return self._length

    def batches(self, epoch: int) -> list[NDArray[np.int64]]:
        """Row numbers of each batch of this epoch."""
        return self.draw(np.random.default_rng([self.seed, epoch]))

    def start_at(self, epoch: int, batch: int) -> None:
        """Let the next iteration begin at this batch of this epoch."""
        self.epoch, self.skip = epoch, batch

    def __iter__(self) -> Iterator[Batch]:
        # a generator, so that the probing iter() of Lightning, never read from, uses up no epoch and no skip
        rows = self.batches(self.epoch)[self.skip :]
        self.epoch, self.skip = self.epoch + 1, 0
        for batch in rows:
            if world() == 1:
                yield self.collate(batch)
            else:
                yield self.collate(share(batch)) | {ROWS: torch.empty(len(batch), 0)}


def fit(
    module: LightningModule,
    stream: BatchStream,
    dev: Callable[[], float],
    folder: Path,
    settings: FitSettings,
    *,
    seed: int,
    label: str,
    devices: TrainerSettings = ONE_PROCESS,
    given: Sequence[Any] = (),
    watch: Watch = unwatched,
) -> None:
    """Train `module` in place and leave the weights that were best on dev in it.

    Args:
        dev: the metric on dev, higher is better; asked at the end of each epoch.
        folder: checkpoints, the best weights and the logs; a folder left by a killed run is continued.
        devices: several: `module` and `stream` go to the other processes by cloudpickle, and its losses must be those
            of the whole batch, as `teachers.joint` makes them.
        given: the texts or pairs of the stream's rows, to name those of a batch whose loss is not a number.

    Raises:
        InputError: fewer training rows than two, or more devices than are there.
        LossError: a loss that is not a number, more often than `settings.on_nan` lets it be.
        RankError: one of several processes died.
    """
    if len(stream.lengths) < 2:
        raise InputError(f"{label}: {len(stream.lengths)} training pairs are too few; at least 2 are needed")
    folder.mkdir(parents=True, exist_ok=True)
    if settings.epochs == 0:
        return
    retries = Retries(folder, settings.on_nan)
    start = _tensors(module) if settings.on_nan is not None else None
    while True:
        work = partial(_train, module, stream, folder, settings, seed, devices, retries.rate)
        try:
            with watch(label, settings.epochs * len(stream)) as advance, ranks(work, devices):
                more = watch.loggers(folder) if isinstance(watch, Logged) else ()
                work(dev=dev, given=given, advance=advance, more=more)
            break
        except LossError as error:
            if start is None or not retries.again(error):
                raise
            module.load_state_dict(start, strict=not _frozen(module))
    best = folder / BEST
    if best.is_file():
        module.load_state_dict(load_file(best), strict=not _frozen(module))


def discard_checkpoints(folder: Path) -> None:
    """Drop what only an unfinished training needs, once its result is saved; the logs stay."""
    for name in (LAST, BEST):
        (folder / name).unlink(missing_ok=True)


def adamw(module: nn.Module, settings: FitSettings, batches: int) -> dict[str, Any]:
    """AdamW without decay on biases and norms, heads at their own rate, linear warm-up and decay, for Lightning.

    Args:
        batches: batches an epoch.
    """
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for name, weight in module.named_parameters():
        if weight.requires_grad:
            plain = any(part in name.lower() for part in NO_DECAY)
            groups.setdefault((plain, in_head(name)), []).append(weight)
    rate_of = {False: settings.learning_rate, True: settings.learning_rate * settings.head_rate}
    optimizer = torch.optim.AdamW(
        [
            {"params": weights, "lr": rate_of[head], "weight_decay": 0.0 if plain else settings.weight_decay}
            for (plain, head), weights in groups.items()
        ],
        fused=True,  # one pass over weights, gradients and moments: at batch 32 the loop took 46 % of a CPU step
    )
    steps = max(1, settings.epochs * -(-batches // settings.accumulate))
    warmup = settings.warmup_share * steps

    def rate(step: int) -> float:
        return min(1.0, (step + 1) / max(1.0, warmup)) * max(0.0, (steps - step) / steps)

    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def training_precision(settings: FitSettings) -> Literal["32-true", "bf16-mixed"]:
    """What `auto` means on this machine."""
    if settings.precision != "auto":
        return settings.precision
    return "bf16-mixed" if bfloat16_is_native() else "32-true"


def _train(
    module: LightningModule, stream: BatchStream, folder: Path, settings: FitSettings, seed: int,
    devices: TrainerSettings, rate: float, dev: Callable[[], float] | None = None, given: Sequence[Any] = (),
    advance: Advance | None = None, more: Sequence[Logger] = (),
) -> None:  # fmt: skip
    """The training as one process sees it; the first has `dev`, `given`, `advance` and `more` loggers."""
    keeper = _Keeper(folder, dev, seed, settings.clip, stream, given, rate)
    callbacks: list[Callback] = [keeper, _stopper(settings)]
    if advance is not None:
        callbacks.append(_Follow(advance, settings.epochs))
    if devices.distributed:
        callbacks.append(_OwnSignals())
    resume = _resume(folder, stream)
    torch.manual_seed(seed)
    module.strict_loading = not _frozen(module)
    module.train()  # a model comes from its file in eval mode, and Lightning leaves it there: no dropout
    with _quiet_lightning():
        trainer = _trainer(folder, settings, devices, callbacks, len(stream), more)
        trainer.fit(module, train_dataloaders=stream, ckpt_path=resume, weights_only=resume is not None or None)


def _trainer(
    folder: Path, settings: FitSettings, devices: TrainerSettings, callbacks: list[Callback], batches: int,
    more: Sequence[Logger],
) -> Trainer:  # fmt: skip
    loggers: list[Logger] = [CSVLogger(folder, name="", version="csv"), *more]
    if not any(isinstance(one, TensorBoardLogger) for one in more):
        loggers.append(TensorBoardLogger(folder, name="", version="tensorboard"))
    return Trainer(
        max_epochs=settings.epochs,
        precision=training_precision(settings),
        accumulate_grad_batches=settings.accumulate,
        logger=loggers if rank() == 0 else False,
        log_every_n_steps=max(1, min(10, batches // settings.accumulate)),
        callbacks=callbacks,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        **trainer_options(devices),
    )


def _stopper(settings: FitSettings) -> EarlyStopping:
    return EarlyStopping(DEV_METRIC, mode="max", patience=settings.patience, check_on_train_epoch_end=True)


def _resume(folder: Path, stream: BatchStream) -> Path | None:
    last = folder / LAST
    if not last.is_file():
        stream.start_at(0, 0)
        return None
    try:
        loops = torch.load(last, map_location="cpu", weights_only=True)["loops"]["fit_loop"]
        stream.start_at(
            loops["epoch_progress"]["current"]["completed"],
            loops["epoch_loop.batch_progress"]["current"]["processed"],  # "completed" counts on after the checkpoint
        )
    except Exception as error:  # torch has several of its own for what is damaged, and for what would run code
        raise InputError(
            f"{last} is no checkpoint of this training ({type(error).__name__}); remove it, and training begins anew"
        ) from error
    return last


class _Keeper(Callback):
    """Writes the last state every half minute, and the best weights; seeds dropout by step; clips the gradient.

    Args:
        dev: of the first process; the others hear from it.
        given: the same.
        rate: what the learning rate is multiplied with.
    """

    def __init__(
        self, folder: Path, dev: Callable[[], float] | None, seed: int, clip: float, stream: BatchStream,
        given: Sequence[Any], rate: float,
    ) -> None:  # fmt: skip
        self.last, self.best, self.record = folder / LAST, folder / BEST, folder / "best.json"
        self.dev, self.seed, self.saved_at, self.high = dev, seed, time.monotonic(), float("-inf")
        self.clip, self.stream, self.given, self.rate, self.rate_of_checkpoint = clip, stream, given, rate, 1.0

    def on_save_checkpoint(self, trainer: Trainer, module: LightningModule, checkpoint: dict[str, Any]) -> None:
        checkpoint["state_dict"] = _trained(module, checkpoint["state_dict"])

    def state_dict(self) -> dict[str, Any]:
        return {"high": self.high, "rate": self.rate}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.high, self.rate_of_checkpoint = state_dict["high"], state_dict.get("rate", 1.0)

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        share = self.rate / self.rate_of_checkpoint  # a checkpoint holds the rates that it was trained with
        for config in trainer.lr_scheduler_configs:
            config.scheduler.base_lrs = [rate * share for rate in config.scheduler.base_lrs]
        for group in (group for optimizer in trainer.optimizers for group in optimizer.param_groups):
            group.update(lr=group["lr"] * share, initial_lr=group["initial_lr"] * share)

    def on_train_batch_start(self, trainer: Trainer, module: LightningModule, batch: Batch, batch_idx: int) -> None:
        step = trainer.current_epoch * trainer.num_training_batches + batch_idx
        torch.manual_seed((rank() << 56) + self.seed * 1_000_003 + step)

    def on_before_optimizer_step(self, trainer: Trainer, module: LightningModule, optimizer: Optimizer) -> None:
        # here, because Lightning clips no gradients of a fused optimizer, for fear of a loss scale; there is none
        nn.utils.clip_grad_norm_(module.parameters(), self.clip)

    def on_train_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: Any, batch: Batch, batch_idx: int
    ) -> None:
        loss = outputs["loss"] if isinstance(outputs, dict) else outputs
        if loss is not None and not torch.isfinite(loss):
            if rank() > 0:
                return  # the first says it of all, and ends the others
            epoch = trainer.current_epoch
            rows = self.stream.batches(epoch)[batch_idx].tolist()
            raise loss_error(float(loss), trainer.global_step, epoch + 1, batch_idx + 1, rows, self.given)
        whole_step = (batch_idx + 1) % trainer.accumulate_grad_batches == 0
        if whole_step and batch_idx + 1 < trainer.num_training_batches:
            late = time.monotonic() - self.saved_at > CHECKPOINT_SECONDS
            if from_first(float(late and _finite(module))):  # if not, the next loss will tell
                self._save(trainer)

    def on_train_epoch_end(self, trainer: Trainer, module: LightningModule) -> None:
        metric = from_first(self.dev() if self.dev is not None else 0.0)
        module.log(DEV_METRIC, metric)
        if metric > self.high:
            self.high = metric
            if rank() == 0:
                _write(self.best, lambda path: save_file(_tensors(module), path))
                self.record.write_text(json.dumps({"epoch": trainer.current_epoch + 1, DEV_METRIC: metric}) + "\n")

    def _save(self, trainer: Trainer) -> None:
        if rank() == 0:
            _write(self.last, lambda path: trainer.save_checkpoint(path))
        else:
            trainer.save_checkpoint(self.last)  # writes nothing, but Lightning waits for all processes in it
        self.saved_at = time.monotonic()


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


def _tensors(module: LightningModule) -> dict[str, Tensor]:
    state = _trained(module, module.state_dict())
    return {name: weight.detach().cpu().contiguous().clone() for name, weight in state.items()}


def _finite(module: nn.Module) -> bool:
    return all(bool(torch.isfinite(weight).all()) for weight in module.parameters() if weight.requires_grad)


def _frozen(module: nn.Module) -> bool:
    return any(not weight.requires_grad for weight in module.parameters())


def _trained(module: nn.Module, state: dict[str, Any]) -> dict[str, Any]:
    """Of a state, what training changes: all of it, or the weights with gradients where others have none."""
    if not _frozen(module):
        return state
    names = {name for name, weight in module.named_parameters() if weight.requires_grad}
    return {name: value for name, value in state.items() if name in names}


def _write(path: Path, write: Callable[[Path], None]) -> None:
    partial = path.with_name(path.name + ".partial")
    write(partial)
    os.replace(partial, path)


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
