from __future__ import annotations

import pytest
import torch
from pydantic import ValidationError

from decant.errors import InputError
from decant.training.devices import ONE_PROCESS, TrainerSettings, check_devices


def test_one_process_is_the_default() -> None:
    assert not ONE_PROCESS.distributed
    assert TrainerSettings(devices=2).distributed
    assert TrainerSettings(strategy="ddp").distributed
    check_devices(ONE_PROCESS)


def test_more_processes_than_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("decant.training.devices.usable_cores", lambda: 2)
    check_devices(TrainerSettings(devices=2, accelerator="cpu"))
    with pytest.raises(
        InputError, match=r"devices: 3 processes are more than the 2 cores .* lower trainer.devices to 2"
    ):
        check_devices(TrainerSettings(devices=3, accelerator="cpu"))


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU is here")
def test_no_gpu() -> None:
    with pytest.raises(InputError, match="accelerator: gpu, but torch finds no CUDA device here; take auto or cpu"):
        check_devices(TrainerSettings(accelerator="gpu"))


def test_more_devices_than_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    check_devices(TrainerSettings(accelerator="gpu"))
    with pytest.raises(InputError, match="2 GPUs are asked for, but 1 found here; lower trainer.devices to 1, or take"):
        check_devices(TrainerSettings(devices=2, accelerator="gpu"))


@pytest.mark.parametrize("value", [0, -1, 65])
def test_devices_outside_their_range(value: int) -> None:
    with pytest.raises(ValidationError, match="devices\n.*than or equal to"):
        TrainerSettings(devices=value)
