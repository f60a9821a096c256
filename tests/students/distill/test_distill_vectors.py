from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from pydantic import ValidationError
from torch import Tensor

from decant.errors import InputError
from decant.models.encoder import SentenceEncoder
from decant.training.recompute import Kept, bounded_activations
from decant.training.training import Training
from students.distill.distill_settings import DistillVectorsSettings
from students.distill.distill_vectors import distill_vectors
from students.nesting.nested import teacher_agreement
from students.nesting.nesting import GridNesting, LastNesting, Nesting
from tests.held_vectors import Held
from tests.students.conftest import Topics, check_resumed_alike
from tests.tiny_models import tiny_encoder


def texts_of(topics: Topics) -> list[str]:
    return list(dict.fromkeys(text for pair in topics.pairs for text in pair))


def settings(**changes: object) -> DistillVectorsSettings:
    fields = {"epochs": 6, "learning_rate": 5e-3, "batch_size": 16, "precision": "32-true", "patience": 9}
    return DistillVectorsSettings(**fields | changes)


def trained(
    encoder: SentenceEncoder,
    texts: list[str],
    teacher: NDArray[np.float32],
    folder: Path,
    nesting: Nesting,
    dev: Callable[[], float] = lambda: 0.0,
    **changes: object,
) -> SentenceEncoder:
    training = Training(folder, settings(**changes), 0)
    return distill_vectors(encoder, texts, Held(teacher), dev, training, nesting, (8,))


def test_batches_of_neighbours_teach_too(train: Topics, dev: Topics, tmp_path: Path) -> None:
    texts, held_out = texts_of(train), texts_of(dev)
    wanted = tiny_encoder(num_hidden_layers=3, seed=9)
    encoder = tiny_encoder(num_hidden_layers=3)
    before = teacher_agreement(encoder, held_out, wanted.encode(held_out), (32,))
    trained(encoder, texts, wanted.encode(texts), tmp_path, GridNesting(), neighbours=4)
    after = teacher_agreement(encoder, held_out, wanted.encode(held_out), (32,))
    assert all(after[exit_] > before[exit_] for exit_ in after)


@pytest.mark.parametrize("width", [32, 64])
def test_every_exit_comes_nearer_to_a_teacher_of_any_width(
    width: int, train: Topics, dev: Topics, tmp_path: Path
) -> None:
    taught, held = texts_of(train), texts_of(dev)
    teacher = tiny_encoder(seed=9, hidden_size=width, intermediate_size=64)
    encoder = tiny_encoder()
    wanted = teacher.encode(held)
    before = teacher_agreement(encoder, held, wanted, (32, 8))
    counted = iter(np.arange(100.0))  # the last epoch is the best
    trained(encoder, taught, teacher.encode(taught), tmp_path, GridNesting(), lambda: float(next(counted)))
    after = teacher_agreement(encoder, held, wanted, (32, 8))
    assert all(after[exit_] > before[exit_] for exit_ in before)
    assert np.mean(list(after.values())) > np.mean(list(before.values())) + 0.1
    assert not encoder.training


@pytest.mark.slow  # twenty seconds; that a grid brings every exit nearer is tested above
def test_a_nested_training_leaves_better_shallow_exits_than_a_last_only_one(train: Topics, tmp_path: Path) -> None:
    texts = texts_of(train)
    teacher = tiny_encoder(seed=9).encode(texts)
    agreement = {}
    for name, nesting in {"grid": GridNesting(), "last": LastNesting()}.items():
        encoder = trained(tiny_encoder(), texts, teacher, tmp_path / name, nesting)
        agreement[name] = teacher_agreement(encoder, texts, teacher, (32,))[1, 32]
    assert agreement["grid"] > agreement["last"] + 0.05


def test_refuses_groups_above_a_batch() -> None:
    assert settings(neighbours=16).neighbours == 16
    with pytest.raises(ValidationError, match="neighbours: groups of 17 do not fit into a batch of 16; lower"):
        settings(neighbours=17)


def test_a_killed_training_on_neighbours_takes_the_same_steps(
    train: Topics, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("decant.training.checkpoint_callback.CHECKPOINT_SECONDS", -1.0)  # a checkpoint every step
    texts = texts_of(train)
    teacher = tiny_encoder(seed=9).encode(texts)

    def weights(name: str, dev: Callable[[], float]) -> dict[str, Tensor]:
        how = {"epochs": 3, "neighbours": 4, "batch_size": 8}
        small = tiny_encoder(num_hidden_layers=2)
        return trained(small, texts, teacher, tmp_path / name, GridNesting(), dev, **how).state_dict()

    check_resumed_alike(weights, tmp_path)


def test_refuses_what_cannot_be_trained(train: Topics, tmp_path: Path) -> None:
    texts = texts_of(train)[:10]
    teacher = np.eye(10, 32, dtype=np.float32)
    with pytest.raises(InputError, match="10 texts are fewer than a batch of 16"):
        trained(tiny_encoder(), texts, teacher, tmp_path, GridNesting())
    with pytest.raises(InputError, match="concat_top_mean reads several layers"):
        trained(tiny_encoder(pooling="concat_top_mean"), texts, teacher, tmp_path, GridNesting(), batch_size=4)


def test_activations_that_are_computed_again_change_no_weight(
    train: Topics, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = texts_of(train)
    teacher = tiny_encoder(seed=9).encode(texts)
    keeps, asked = Kept.keeps, dict[int, set[bool]]()

    def weights(most: int) -> dict[str, Tensor]:
        monkeypatch.setattr("decant.training.fit.bounded_activations", lambda module: bounded_activations(module, most))
        small = tiny_encoder(num_hidden_layers=3)
        small.add_exit_layers((1,))
        return trained(small, texts, teacher, tmp_path / str(most), GridNesting(), epochs=2).state_dict()

    def noted(kept: Kept, more: int) -> bool:
        fits = keeps(kept, more)
        asked.setdefault(kept.most, set()).add(fits)
        return fits

    monkeypatch.setattr(Kept, "keeps", noted)
    every, none, some = (weights(most) for most in (1 << 40, 0, 150_000))
    assert asked == {1 << 40: {True}, 0: {False}, 150_000: {True, False}}
    assert all(torch.equal(weight, none[name]) for name, weight in every.items())
    assert all(torch.equal(weight, some[name]) for name, weight in every.items())
