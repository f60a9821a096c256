"""What every training needs beside what it learns. Lightning is not loaded: that takes seconds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import BaseModel

from decant.progress import Watch, unwatched
from decant.training.devices import ONE_PROCESS, TrainerSettings

Settings = TypeVar("Settings", bound=BaseModel, covariant=True)
Other = TypeVar("Other", bound=BaseModel)


@dataclass(frozen=True)
class Training(Generic[Settings]):
    """Where and how a training runs.

    Args:
        folder: checkpoints and logs; a folder left by a killed run is continued.
        settings: of the optimisation, and of what is learned.
        seed: of batches, dropout and new weights.
        devices: in how many processes, and on what.
        watch: shows how it gets on.
    """

    folder: Path
    settings: Settings
    seed: int
    devices: TrainerSettings = ONE_PROCESS
    watch: Watch = unwatched

    def by(self, settings: Other) -> Training[Other]:
        """The same with other settings."""
        return Training(self.folder, settings, self.seed, self.devices, self.watch)

    @property
    def unseen(self) -> Training[Settings]:
        """The same for another process, where nobody watches: what shows progress cannot be handed over."""
        return Training(self.folder, self.settings, self.seed, self.devices)
