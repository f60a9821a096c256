"""A task that a tiny student learns in a second: two texts agree when they speak of one topic."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.stats import spearmanr
from torch import Tensor

from students.distill.distill_settings import DistillSettings
from teachers.cross_encoders.cross_encoder import Pair
from tests.tiny_models import tiny_backbone_folder

TOPICS = [["cat", "dog"], ["river", "water"], ["guitar", "play"]]
FILLERS = ["a", "big", "small", "the"]


@dataclass(frozen=True)
class Topics:
    """Pairs, and what a teacher would say: 0.9 or 0.1, a bit more when the first topic comes early in the list."""

    pairs: list[Pair]
    topics: NDArray[np.int64]

    @property
    def scores(self) -> NDArray[np.float32]:
        agree = self.topics[:, 0] == self.topics[:, 1]
        return (np.where(agree, 0.9, 0.1) - 0.02 * self.topics[:, 0]).astype(np.float32)

    def spearman(self, predictions: NDArray[np.float32]) -> float:
        return float(spearmanr(predictions, self.scores).statistic)


def topics(count: int, seed: int) -> Topics:
    """Random pairs, half of one topic."""
    generator = np.random.default_rng(seed)
    numbers = generator.integers(0, len(TOPICS), (count, 2))
    numbers[::2, 1] = numbers[::2, 0]

    def text(topic: int) -> str:
        words = generator.choice(FILLERS, generator.integers(1, 3)).tolist()
        words.insert(int(generator.integers(0, len(words) + 1)), str(generator.choice(TOPICS[topic])))
        return " ".join(words)

    return Topics([(text(first), text(second)) for first, second in numbers], numbers)


def settings(**changes: object) -> DistillSettings:
    fields = {"epochs": 8, "learning_rate": 1e-2, "batch_size": 16, "max_length": 16, "patience": 9, "hidden": 32}
    return DistillSettings(**fields | {"precision": "32-true"} | changes)


def check_resumed_alike(weights: Callable[[str, Callable[[], float]], dict[str, Tensor]], folder: Path) -> None:
    """A training of three epochs that is killed after its first ends with the weights of an undisturbed one.

    Args:
        weights: the name of a folder in `folder`, and dev → the weights of the training that it holds.
    """

    def judge(*judged: float) -> Callable[[], float]:
        values = list(judged)

        def dev() -> float:
            if not values:
                raise RuntimeError("killed")
            return values.pop(0)

        return dev

    whole = weights("undisturbed", judge(0.1, 0.2, 0.3))
    with pytest.raises(RuntimeError, match="killed"):
        weights("killed", judge(0.1))
    assert (folder / "killed" / "last.ckpt").is_file()
    resumed = weights("killed", judge(0.2, 0.3))
    assert all(torch.equal(weight, resumed[name]) for name, weight in whole.items())


@pytest.fixture(scope="session")
def train() -> Topics:
    return topics(256, seed=1)


@pytest.fixture(scope="session")
def dev() -> Topics:
    return topics(60, seed=2)


@pytest.fixture(scope="session")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_backbone_folder(tmp_path_factory.mktemp("student"), "bert", num_hidden_layers=1)
