"""In how many processes a training runs, and on what."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from decant.errors import InputError
from decant.training.cores import usable_cores


class TrainerSettings(BaseModel, frozen=True, extra="forbid"):
    """Where the trainings run: it changes a result by rounding alone, so that a run goes on with other settings.

    With dropout the processes draw masks of their own, and the result differs by more.
    """

    devices: int = Field(
        1, ge=1, le=64, description="processes of a training, which share every batch: one a GPU, or beside on the CPU"
    )
    accelerator: Literal["auto", "cpu", "gpu"] = Field("auto", description="auto: the GPUs where there are any")
    strategy: Literal["auto", "ddp"] = Field("auto", description="auto: Lightning's ddp for several devices")

    @property
    def distributed(self) -> bool:
        """Whether a training has a process group."""
        return self.devices > 1 or self.strategy == "ddp"

    @property
    def on_gpu(self) -> bool:
        """Whether the processes of a group have a GPU each."""
        if self.accelerator != "auto":
            return self.accelerator == "gpu"
        import torch  # which whoever only reads a recipe need not load

        return torch.cuda.is_available()


ONE_PROCESS = TrainerSettings()


def check_devices(settings: TrainerSettings) -> None:
    """Refuse more devices than are there.

    Raises:
        InputError: no GPU, fewer than asked for, or more processes than cores.
    """
    if not settings.on_gpu:
        cores = usable_cores()
        if settings.devices > cores:
            raise InputError(
                f"devices: {settings.devices} processes are more than the {cores} cores of this machine that may be "
                f"used; lower trainer.devices to {cores}"
            )
        return
    import torch

    gpus = torch.cuda.device_count()
    if gpus == 0:
        raise InputError("accelerator: gpu, but torch finds no CUDA device here; take auto or cpu")
    if settings.devices > gpus:
        raise InputError(
            f"devices: {settings.devices} GPUs are asked for, but {gpus} found here; lower trainer.devices to {gpus}, "
            "or take accelerator: cpu"
        )
