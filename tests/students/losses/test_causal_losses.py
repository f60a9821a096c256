from __future__ import annotations

import math

import pytest
import torch

from students.losses.causal_losses import (
    hard_label_loss,
    next_token_loss,
    pseudo_label_loss,
    soft_label_loss,
    states_mse,
)
from students.losses.loss_weights import PseudoWeights

# one row of two tokens over two words; odds of the first word: teacher 4 and 1/4, student 1 and 4
TEACHER = torch.tensor([[[math.log(4), 0.0], [0.0, math.log(4)]]])
STUDENT = torch.tensor([[[0.0, 0.0], [math.log(4), 0.0]]])
# at temperature 2 the odds' roots: teacher ⅔, ⅓ and ⅓, ⅔, student ½, ½ and ⅔, ⅓
SOFT = ((2 / 3 * math.log(4 / 3) + 1 / 3 * math.log(2 / 3)) + (1 / 3 * math.log(1 / 2) + 2 / 3 * math.log(2))) / 2
HARD = (math.log(2) + math.log(5)) / 2  # first word at ½, second at 1/5


def test_next_token_loss_by_hand() -> None:
    # of three tokens the last two are foretold: 1 by the first place's odds 3 to 1, 0 by the second's 1 to 1
    logits = torch.tensor([[[0.0, math.log(3)], [7.0, 7.0], [50.0, -50.0]]])
    assert float(next_token_loss(logits, torch.tensor([[1, 1, 0]]))) == pytest.approx(
        (math.log(4 / 3) + math.log(2)) / 2
    )


def test_soft_labels_by_hand() -> None:
    assert float(soft_label_loss(STUDENT, TEACHER, 2.0)) == pytest.approx(4 * SOFT, rel=1e-5)
    first = 0.8 * math.log(0.8 / 0.5) + 0.2 * math.log(0.2 / 0.5)
    second = 0.2 * math.log(0.2 / 0.8) + 0.8 * math.log(0.8 / 0.2)
    assert float(soft_label_loss(STUDENT, TEACHER, 1.0)) == pytest.approx((first + second) / 2, rel=1e-5)
    assert float(soft_label_loss(TEACHER + 3, TEACHER, 2.0)) == pytest.approx(0, abs=1e-6), "logits are free by a sum"


def test_hard_labels_by_hand() -> None:
    assert float(hard_label_loss(STUDENT, TEACHER)) == pytest.approx(HARD)


def test_states_by_hand() -> None:
    ones, zeros = torch.ones(1, 2, 3), torch.zeros(1, 2, 3)
    assert float(states_mse([2 * ones, zeros], [zeros, ones])) == pytest.approx((4 + 1) / 2)
    with pytest.raises(ValueError, match="1 states of the student against 2 of the teacher"):
        states_mse([ones], [ones, ones])
    with pytest.raises(ValueError, match="0 states of the student against 0"):
        states_mse([], [])


def test_pseudo_labels_are_the_weighted_sum() -> None:
    states = [torch.full((1, 2, 3), 3.0)], [torch.ones(1, 2, 3)]
    found = pseudo_label_loss(STUDENT, TEACHER, *states, PseudoWeights(states=0.25, soft=3.0, hard=0.5))
    assert float(found) == pytest.approx(0.25 * 4 + 3 * 4 * SOFT + 0.5 * HARD, rel=1e-5)
