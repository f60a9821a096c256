"""Lightning's DDP among processes that `decant.training.launcher` has started."""

from __future__ import annotations

from typing import Any

from lightning.fabric.plugins.environments.cluster_environment import ClusterEnvironment
from lightning.pytorch.strategies import DDPStrategy

from decant.training.devices import TrainerSettings
from decant.training.gather_rows import rank


def trainer_options(settings: TrainerSettings) -> dict[str, Any]:
    """Arguments of Lightning's Trainer; inside of a process group where the settings want one."""
    if not settings.distributed:
        return {"accelerator": settings.accelerator, "devices": 1}
    strategy = DDPStrategy(
        cluster_environment=_Started(settings.devices),
        find_unused_parameters=True,  # a step of a nested student trains some exits only
        broadcast_buffers=False,  # no layer here changes a buffer
    )
    return {
        "accelerator": "gpu" if settings.on_gpu else "cpu",
        "devices": settings.devices,
        "strategy": strategy,
        "use_distributed_sampler": False,
    }


class _Started(ClusterEnvironment):
    """Processes that are there already, as is their group: Lightning is to start none."""

    def __init__(self, world: int) -> None:
        self.world = world

    @property
    def creates_processes_externally(self) -> bool:
        return True

    @property
    def main_address(self) -> str:
        return "127.0.0.1"

    @property
    def main_port(self) -> int:
        raise NotImplementedError("the process group is made before Lightning asks")

    @staticmethod
    def detect() -> bool:
        return False

    def world_size(self) -> int:
        return self.world

    def set_world_size(self, size: int) -> None:
        return None

    def global_rank(self) -> int:
        return rank()

    def set_global_rank(self, rank: int) -> None:
        return None

    def local_rank(self) -> int:
        return rank()

    def node_rank(self) -> int:
        return 0
