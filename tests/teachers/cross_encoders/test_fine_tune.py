from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from decant.progress import Advance, Watch, unwatched
from decant.training import checkpoint_callback
from decant.training.training import Training
from teachers.cross_encoders.cross_encoder import CrossEncoder, Pair
from teachers.cross_encoders.fine_tune import FineTuneSettings, PairData, TaskKind, fine_tune, task_loss
from tests.tiny_models import tiny_backbone_folder

ANIMALS, PLACES = ["cat", "dog"], ["park", "river"]
FILLERS = ["a", "big", "black", "small", "the", "white", "red", "young"]
EPOCHS, BATCHES = 3, 6


class Killed(BaseException):
    """The process ends here; nothing may catch it."""


@pytest.fixture(scope="module")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_backbone_folder(tmp_path_factory.mktemp("backbone"), "bert", num_hidden_layers=1)


def examples(count: int, seed: int) -> tuple[list[Pair], NDArray[np.float32]]:
    """Pairs whose first text names an animal (label 1) or a place (label 0), of various lengths."""
    generator = np.random.default_rng(seed)
    pairs: list[Pair] = []
    labels = generator.integers(0, 2, count)
    for label in labels:
        noun = generator.choice(ANIMALS if label else PLACES)
        first, second = (" ".join(generator.choice(FILLERS, generator.integers(1, 8))) for _ in range(2))
        pairs.append((f"{first} {noun}", second))
    return pairs, labels.astype(np.float32)


def settings(**changes: object) -> FineTuneSettings:
    fields = {"epochs": EPOCHS, "learning_rate": 3e-3, "batch_size": 4, "patience": 9, "precision": "32-true"}
    return FineTuneSettings(**fields | changes)


@dataclass
class Seen:
    weights: dict[str, Tensor]
    metrics: list[float]
    begun_at: int
    steps: int


def run(backbone: Path, folder: Path, kill_after: int | None = None, **changes: object) -> Seen:
    """Fine-tune with dropout; `kill_after` steps of this call the process dies."""
    pairs, labels = examples(4 * BATCHES, seed=1)
    dev_pairs, dev_labels = examples(20, seed=2)
    chosen = settings(**changes)
    teacher = CrossEncoder.from_backbone(backbone, 1, max_length=32, dropout=0.2, seed=3, quantize=chosen.quantize)
    seen = Seen({}, [], -1, 0)

    def count(module: torch.nn.Module, inputs: object) -> None:
        seen.steps += not torch.is_inference_mode_enabled()

    def metric(scores: NDArray[np.float32]) -> float:
        seen.metrics.append(-float(np.square(scores - dev_labels).mean()))
        return seen.metrics[-1]

    @contextmanager
    def watch(label: str, total: int) -> Iterator[Advance]:
        assert (label, total) == ("teacher", EPOCHS * BATCHES)
        finished: list[int] = []

        def advance(done: int, note: str = "", /) -> None:
            if seen.begun_at < 0:
                seen.begun_at = done
                return
            finished.append(done)
            if len(finished) == kill_after:
                raise Killed

        yield advance

    teacher.model.register_forward_pre_hook(count)
    watcher: Watch = watch
    try:
        data = PairData(pairs, labels, "regression", dev_pairs, metric)
        fine_tune(teacher, data, Training(folder, chosen, 5, watch=watcher))
    except Killed:
        assert kill_after is not None
    seen.weights = {name: weight.clone() for name, weight in teacher.state_dict().items()}
    return seen


@pytest.fixture(scope="module")
def undisturbed(backbone: Path, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    seen = run(backbone, tmp_path_factory.mktemp("undisturbed"))
    assert (seen.begun_at, seen.steps, len(seen.metrics)) == (0, EPOCHS * BATCHES, EPOCHS)
    return seen


def assert_same_weights(found: Seen, expected: Seen) -> None:
    assert found.weights.keys() == expected.weights.keys()
    differing = [name for name, weight in expected.weights.items() if not torch.equal(found.weights[name], weight)]
    assert differing == []


@pytest.mark.parametrize(
    ("kills", "resumes"),
    [
        ([2], [2]),  # in the first epoch
        ([9], [9]),  # in the second
        ([2, 8, 5], [2, 10, 15]),  # again and again
        ([6], [5]),  # at the last batch of an epoch, before dev is measured: the last batch is done again
        ([12], [11]),
    ],
)
def test_killed_and_resumed_equals_undisturbed(
    backbone: Path,
    undisturbed: Seen,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kills: list[int],
    resumes: list[int],
) -> None:
    monkeypatch.setattr(checkpoint_callback, "CHECKPOINT_SECONDS", 0.0)
    begun = 0
    for steps, resume in zip(kills, resumes, strict=True):
        killed = run(backbone, tmp_path, kill_after=steps)
        assert (killed.begun_at, killed.steps) == (begun, steps)
        assert (tmp_path / "last.ckpt").is_file()
        begun = resume
    resumed = run(backbone, tmp_path)
    assert (resumed.begun_at, resumed.steps) == (begun, EPOCHS * BATCHES - begun)
    assert_same_weights(resumed, undisturbed)
    assert resumed.metrics == undisturbed.metrics[begun // BATCHES :]


def test_killed_before_the_first_checkpoint_starts_again(backbone: Path, undisturbed: Seen, tmp_path: Path) -> None:
    run(backbone, tmp_path, kill_after=2)
    assert not (tmp_path / "last.ckpt").exists()
    resumed = run(backbone, tmp_path)
    assert (resumed.begun_at, resumed.steps) == (0, EPOCHS * BATCHES)
    assert_same_weights(resumed, undisturbed)


def test_accumulated_batches_are_never_split(backbone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = run(backbone, tmp_path / "undisturbed", accumulate=4)
    monkeypatch.setattr(checkpoint_callback, "CHECKPOINT_SECONDS", 0.0)
    run(backbone, tmp_path / "killed", kill_after=6 + 5, accumulate=4)
    resumed = run(backbone, tmp_path / "killed", accumulate=4)
    assert resumed.begun_at == 6 + 4
    assert resumed.metrics == expected.metrics[1:]
    assert_same_weights(resumed, expected)


def test_stopped_early_after_a_kill_too(backbone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rate that ruins the model: the first epoch stays the best, whoever was interrupted."""
    expected = run(backbone, tmp_path / "undisturbed", learning_rate=0.5, patience=1)
    assert expected.steps < EPOCHS * BATCHES or np.argmax(expected.metrics) == EPOCHS - 1
    monkeypatch.setattr(checkpoint_callback, "CHECKPOINT_SECONDS", 0.0)
    run(backbone, tmp_path / "killed", kill_after=8, learning_rate=0.5, patience=1)
    resumed = run(backbone, tmp_path / "killed", learning_rate=0.5, patience=1)
    assert resumed.begun_at + resumed.steps == expected.steps
    assert resumed.metrics == expected.metrics[1:]
    assert_same_weights(resumed, expected)


@pytest.mark.parametrize("kind", ["regression", "binary", "multiclass"])
def test_learns_a_separable_task(backbone: Path, tmp_path: Path, kind: TaskKind) -> None:
    pairs, labels = examples(128, seed=3)
    dev_pairs, dev_labels = examples(40, seed=4)
    outputs = 3 if kind == "multiclass" else 1
    threshold = 0.5 if kind == "regression" else 0.0

    def accuracy(logits: NDArray[np.float32]) -> float:
        chosen = logits.argmax(axis=1) if kind == "multiclass" else logits > threshold
        return float((chosen == dev_labels).mean())

    teacher = CrossEncoder.from_backbone(backbone, outputs, max_length=32, dropout=0.0)
    before = accuracy(teacher.score(dev_pairs))
    chosen = settings(epochs=8, batch_size=8, learning_rate=5e-3)
    trained = fine_tune(teacher, PairData(pairs, labels, kind, dev_pairs, accuracy), Training(tmp_path, chosen, 0))
    assert trained is teacher
    assert not teacher.training
    assert accuracy(teacher.score(dev_pairs)) > max(before, 0.9)


def test_no_epochs_leave_the_weights(backbone: Path, tmp_path: Path) -> None:
    pairs, labels = examples(8, seed=1)
    teacher = CrossEncoder.from_backbone(backbone, 1, max_length=32)
    before = teacher.score(pairs)
    chosen = settings(epochs=0)
    data = PairData(pairs, labels, "regression", pairs, lambda scores: 0.0)
    fine_tune(teacher, data, Training(tmp_path, chosen, 0, watch=unwatched))
    assert np.array_equal(teacher.score(pairs), before)


def test_task_losses_by_hand() -> None:
    one = torch.tensor([[0.5], [-1.0]])
    labels = torch.tensor([1.0, 0.0])
    assert float(task_loss(one, labels, "regression")) == pytest.approx((0.25 + 1.0) / 2)
    # log(1 + e^-0.5) and log(1 + e^-1)
    assert float(task_loss(one, labels, "binary")) == pytest.approx((0.4740770 + 0.3132617) / 2)
    # log(e + 2) - 1 and log(3)
    three = torch.tensor([[1.0, 0.0, 0.0], [2.0, 2.0, 2.0]])
    assert float(task_loss(three, torch.tensor([0.0, 2.0]), "multiclass")) == pytest.approx((0.5514447 + 1.0986123) / 2)
