from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from students.losses.relation_losses import hidden_mse, relation_kl


def states(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_hidden_mse_by_hand() -> None:
    student = torch.tensor([[[1.0, 0.0], [2.0, 2.0]], [[0.0, 0.0], [9.0, 9.0]]])
    teacher = torch.tensor([[[0.0, 0.0], [2.0, 0.0]], [[1.0, 1.0], [0.0, 0.0]]])
    mask = torch.tensor([[1, 1], [1, 0]])
    # the mean over three tokens, not over two texts
    assert float(hidden_mse(student, teacher, mask)) == pytest.approx((1 + 4 + 2) / 6)


def test_hidden_mse_needs_one_width() -> None:
    with pytest.raises(ValueError, match="student's states are 4 wide and the teacher's 6"):
        hidden_mse(states(1, 2, 4, seed=0), states(1, 2, 6, seed=0), torch.ones(1, 2))


def test_relation_kl_by_hand() -> None:
    # one head, width 1: the scores of (1, 2) are 1 2 / 2 4, those of (0, 0) are 0 and the shares 1/2
    student, teacher = torch.zeros(1, 2, 1), torch.tensor([[[1.0], [2.0]]])

    def row(one: float, other: float) -> float:
        p = 1 / (1 + math.exp(other - one))
        return math.log(2) + p * math.log(p) + (1 - p) * math.log(1 - p)

    found = relation_kl(student, teacher, torch.ones(1, 2), heads=1)
    assert float(found) == pytest.approx((row(1, 2) + row(2, 4)) / 2, rel=1e-5)
    # width 4 divides the scores 4 8 / 8 16 by 2
    found = relation_kl(student, teacher.expand(1, 2, 4), torch.ones(1, 2), heads=1)
    assert float(found) == pytest.approx((row(2, 4) + row(4, 8)) / 2, rel=1e-5)


def test_relation_kl_against_loops_over_texts_and_heads() -> None:
    student, teacher, lengths, heads = states(3, 5, 4, seed=1), states(3, 5, 6, seed=2), [5, 3, 1], 2
    mask = torch.tensor([[1] * length + [0] * (5 - length) for length in lengths])
    divergences = []
    for text, length in enumerate(lengths):
        for head in range(heads):
            shares = []
            for side, width in ((student, 2), (teacher, 3)):
                part = side[text, :length, head * width : (head + 1) * width]
                shares.append(torch.softmax(part @ part.T / math.sqrt(width), dim=1))
            q, p = shares
            divergences.append((p * (p / q).log()).sum(dim=1))
    expected = torch.cat(divergences).mean()
    assert float(expected) > 0.01
    torch.testing.assert_close(relation_kl(student, teacher, mask, heads), expected)


def test_relation_kl_does_not_see_padding() -> None:
    mask = torch.tensor([[1, 1, 1, 0, 0], [1, 1, 0, 0, 0]])
    student, teacher = states(2, 5, 4, seed=3).requires_grad_(), states(2, 5, 4, seed=4)
    loss = relation_kl(student, teacher, mask, heads=2)
    loss.backward()
    assert torch.equal(student.grad[mask == 0], torch.zeros(5, 4))
    assert torch.isfinite(student.grad).all()
    spoiled = torch.where(mask[:, :, None] == 1, teacher, 50.0)
    torch.testing.assert_close(relation_kl(student, spoiled, mask, heads=2), loss)
    torch.testing.assert_close(relation_kl(student[:, :3], teacher[:, :3], mask[:, :3], heads=2), loss)


def test_equal_relations_cost_nothing() -> None:
    teacher = states(2, 4, 6, seed=5)
    assert float(relation_kl(-teacher, teacher, torch.ones(2, 4), heads=3)) == pytest.approx(0, abs=1e-7)


@pytest.mark.parametrize(("widths", "named"), [((5, 6), 5), ((6, 8), 8)])
def test_heads_must_divide_both_widths(widths: tuple[int, int], named: int) -> None:
    with pytest.raises(ValueError, match=f"width {named} do not split into 3 relation heads"):
        relation_kl(states(1, 2, widths[0], seed=0), states(1, 2, widths[1], seed=0), torch.ones(1, 2), heads=3)
