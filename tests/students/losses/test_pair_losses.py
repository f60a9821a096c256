from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from students.losses.loss_weights import PairLoss
from students.losses.pair_losses import PAIR_LOSSES, in_batch, pair_loss
from students.losses.ranking_losses import angle
from students.losses.score_losses import cosent

AXES = torch.eye(4)


def units(rows: int, seed: int) -> Tensor:
    return functional.normalize(torch.randn(rows, 4, generator=torch.Generator().manual_seed(seed)), dim=1)


@pytest.mark.parametrize("name", sorted(PAIR_LOSSES))
def test_each_loss_pulls_the_pair_of_a_high_target_together(name: PairLoss) -> None:
    first, second = units(3, 1).requires_grad_(), units(3, 2)
    targets = torch.tensor([0.9, 0.5, 0.1])
    before = PAIR_LOSSES[name](first, second, targets)
    before.backward()
    assert first.grad is not None
    step = (first - 0.01 * first.grad).detach()
    assert PAIR_LOSSES[name](step, second, targets) < before


def test_in_batch_by_hand() -> None:
    # one positive, whose cosine is 1; the other pair's second text is at cosine 0.9 to the query: shares at T = 0.05
    first, second = AXES[[0, 1]], torch.stack([AXES[0], 0.9 * AXES[0] + math.sqrt(0.19) * AXES[1]])
    one_way = math.log(1 + math.exp(-0.1 / 0.05))
    found = in_batch(first, second, torch.tensor([0.8, 0.79]))
    assert float(found) == pytest.approx(one_way / 2, rel=1e-4), "the way back has no other candidate"
    near = in_batch(first, AXES[[0, 0]], torch.tensor([1.0, 0.0]))
    assert float(near) == pytest.approx(math.log(2) / 2, rel=1e-5)


def test_in_batch_without_a_positive_teaches_nothing() -> None:
    first = units(2, 1).requires_grad_()
    loss = in_batch(first, units(2, 2), torch.tensor([0.7, 0.1]))
    loss.backward()
    assert float(loss.detach()) == 0
    assert first.grad is not None
    assert not first.grad.any()


def test_weights_add_up() -> None:
    first, second, targets = units(5, 1), units(5, 2), torch.tensor([0.9, 0.5, 0.1, 1.0, 0.0])
    expected = 2 * cosent((first * second).sum(dim=1), targets) + 0.5 * angle(first, second, targets)
    assert float(pair_loss(first, second, targets, {"cosent": 2.0, "angle": 0.5})) == pytest.approx(float(expected))
