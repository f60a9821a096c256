"""What a training keeps on disk while it runs: its last state, its best weights, and how it goes on from them.

Of a module with frozen weights, the others alone are kept: the frozen ones are as they were when it was made.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins import TorchCheckpointIO
from lightning.pytorch import Callback, LightningModule, Trainer
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.optim import Optimizer

from decant.errors import InputError
from decant.files import write_json, written_whole
from decant.training.batch_stream import Batch, BatchStream
from decant.training.gather_rows import from_first, rank
from decant.training.on_nan import loss_error
from decant.training.row_adam import clip_gradients

DEV_METRIC = "dev"
LAST, BEST = "last.ckpt", "best.safetensors"
CHECKPOINT_SECONDS = 30.0


class CheckpointCallback(Callback):
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
        if any(weight.grad is not None and weight.grad.is_sparse for weight in module.parameters()):
            clip_gradients(module.parameters(), self.clip)
        else:
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
                with written_whole(self.best) as path:
                    save_file(trained_weights(module), path)
                write_json(self.record, {"epoch": trainer.current_epoch + 1, DEV_METRIC: metric}, indent=None)

    def _save(self, trainer: Trainer) -> None:
        if rank() == 0:
            with written_whole(self.last) as path:
                trainer.save_checkpoint(path)
        else:
            trainer.save_checkpoint(self.last)  # writes nothing, but Lightning waits for all processes in it
        self.saved_at = time.monotonic()


class StraightToFile(TorchCheckpointIO):
    """Writes a checkpoint into its file as it goes, where Lightning's own makes the whole of it in memory, twice."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: object = None) -> None:
        torch.save(checkpoint, path)


def last_state(folder: Path, stream: BatchStream) -> tuple[Path | None, int]:
    """The checkpoint that a killed training left, and its optimizer steps, with `stream` put where it was.

    Without one: None and 0, and the stream at its first batch.

    Raises:
        InputError: it is none of such a training, is damaged, or would run code.
    """
    last = folder / LAST
    if not last.is_file():
        stream.start_at(0, 0)
        return None, 0

    def steps(state: dict[str, Any]) -> int:
        loops = state["loops"]["fit_loop"]
        stream.start_at(
            loops["epoch_progress"]["current"]["completed"],
            loops["epoch_loop.batch_progress"]["current"]["processed"],  # "completed" counts on after the checkpoint
        )
        return int(state["global_step"])

    return last, _read(last, steps)


def saved_steps(folder: Path) -> int:
    """Optimizer steps that a training's checkpoint holds; 0 without one.

    Raises:
        InputError: as `last_state`.
    """
    last = folder / LAST
    return _read(last, lambda state: int(state["global_step"])) if last.is_file() else 0


def _read(last: Path, steps: Callable[[dict[str, Any]], int]) -> int:
    try:
        return steps(torch.load(last, map_location="cpu", weights_only=True, mmap=True))
    except Exception as error:  # torch has several of its own for what is damaged, and for what would run code
        raise InputError(
            f"{last} is no checkpoint of this training ({type(error).__name__}); remove it, and training begins anew"
        ) from error


def trained_weights(module: LightningModule) -> dict[str, Tensor]:
    """A copy, on the CPU, of every tensor that training changes."""
    state = _trained(module, module.state_dict())
    return {name: weight.detach().cpu().contiguous().clone() for name, weight in state.items()}


def _finite(module: nn.Module) -> bool:
    return all(bool(torch.isfinite(weight).all()) for weight in module.parameters() if weight.requires_grad)


def has_frozen(module: nn.Module) -> bool:
    """Whether some of its weights take no gradient."""
    return any(not weight.requires_grad for weight in module.parameters())


def _trained(module: nn.Module, state: dict[str, Any]) -> dict[str, Any]:
    """Of a state, what training changes: all of it, or the weights with gradients where others have none."""
    if not has_frozen(module):
        return state
    names = {name for name, weight in module.named_parameters() if weight.requires_grad}
    return {name: value for name, value in state.items() if name in names}
