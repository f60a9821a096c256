from __future__ import annotations

import math

import pytest
import torch

from students.losses.score_losses import cosent, dse, margin_mse, mixed_targets, score_kl, score_mse
from teachers.cross_encoders.fine_tune import TaskKind

NAN = math.nan
ONE, ONE_TEACHER = [[0.5], [0.2]], [[1.0], [0.0]]  # teacher's part: (0.25 + 0.04) / 2 = 0.145
THREE, THREE_TEACHER = [[1.0, 0.0, 0.0], [0.0, 0.0, 0.0]], [[1.0, 2.0, 0.0], [0.0, 0.0, 1.0]]  # (4 + 1) / 2 = 2.5


@pytest.mark.parametrize(
    ("kind", "outputs", "teacher", "labels", "to_labels", "to_teacher"),
    [
        ("regression", ONE, ONE_TEACHER, [0.0, NAN], 0.25, 0.145),
        ("regression", ONE, ONE_TEACHER, [0.0, 1.0], (0.25 + 0.64) / 2, 0.145),
        ("binary", ONE, ONE_TEACHER, [1.0, NAN], math.log1p(math.exp(-0.5)), 0.145),
        ("multiclass", THREE, THREE_TEACHER, [0.0, NAN], math.log(math.e + 2) - 1, 2.5),
    ],
)
@pytest.mark.parametrize("alpha", [0.0, 0.25, 1.0])
def test_dse_by_hand(
    kind: TaskKind,
    outputs: list[list[float]],
    teacher: list[list[float]],
    labels: list[float],
    to_labels: float,
    to_teacher: float,
    alpha: float,
) -> None:
    found = dse(torch.tensor(outputs), torch.tensor(teacher), torch.tensor(labels), kind, alpha)
    assert float(found) == pytest.approx((1 - alpha) * to_labels + alpha * to_teacher)


def test_dse_without_labels_is_the_teachers_part() -> None:
    outputs = torch.tensor(ONE, requires_grad=True)
    loss = dse(outputs, torch.tensor(ONE_TEACHER), torch.full((2,), NAN), "binary", 0.5)
    assert float(loss.detach()) == pytest.approx(0.0725)
    loss.backward()
    assert torch.isfinite(outputs.grad).all()


def test_cosent_by_hand() -> None:
    # above: (0, 1), (0, 2), (1, 2); only the last is in the wrong order
    found = cosent(torch.tensor([0.9, 0.5, 0.7]), torch.tensor([1.0, 0.5, 0.0]))
    assert float(found) == pytest.approx(math.log(1 + math.exp(-8) + math.exp(-4) + math.exp(4)), rel=1e-5)
    found = cosent(torch.tensor([0.9, 0.5, 0.7]), torch.tensor([1.0, 0.5, 0.0]), scale=1)
    assert float(found) == pytest.approx(math.log(1 + math.exp(-0.4) + math.exp(-0.2) + math.exp(0.2)), rel=1e-5)


def test_cosent_limits() -> None:
    cosines = torch.tensor([1.0, 0.0, -1.0])
    assert float(cosent(cosines, torch.tensor([3.0, 2.0, 1.0]))) == pytest.approx(0, abs=1e-8)
    assert float(cosent(cosines, torch.tensor([0.5, 0.5, 0.5]))) == 0.0, "nothing to order"
    assert float(cosent(cosines, torch.tensor([1.0, 2.0, 3.0]))) == pytest.approx(40, abs=1e-3)


def test_cosent_sees_only_the_order_of_the_targets() -> None:
    cosines, targets = torch.tensor([0.1, 0.4, 0.2]), torch.tensor([0.3, 0.1, 0.9])
    assert torch.equal(cosent(cosines, targets), cosent(cosines, 100 * targets**3))


def test_score_mse_by_hand() -> None:
    assert float(score_mse(torch.tensor([0.5, 0.0]), torch.tensor([1.0, 0.2]))) == pytest.approx((0.25 + 0.04) / 2)


def test_margin_mse_is_twice_the_variance_of_the_error() -> None:
    generator = torch.Generator().manual_seed(0)
    cosines, targets = torch.rand(9, generator=generator), torch.rand(9, generator=generator)
    variance = torch.var(cosines - targets, unbiased=False)
    torch.testing.assert_close(margin_mse(cosines, targets), 2 * variance)
    torch.testing.assert_close(margin_mse(cosines, targets + 5), 2 * variance, rtol=1e-4, atol=1e-6)
    # by hand: errors 0 and 1; of four differences two are ±1
    assert float(margin_mse(torch.tensor([0.0, 1.0]), torch.tensor([0.0, 0.0]))) == 0.5


def test_kl_by_hand() -> None:
    # softmax of (1, 0) against (0, 1): tanh(1/2)
    found = score_kl(torch.tensor([0.0, 0.05]), torch.tensor([0.05, 0.0]))
    assert float(found) == pytest.approx(math.tanh(0.5), rel=1e-5)
    # towards the targets: p = (3/4, 1/4), q = (1/2, 1/2)
    found = score_kl(torch.zeros(2), torch.tensor([math.log(3), 0.0]), temperature=1)
    assert float(found) == pytest.approx(0.75 * math.log(1.5) + 0.25 * math.log(0.5), rel=1e-5)


def test_kl_of_equals_is_zero() -> None:
    scores = torch.tensor([0.3, 0.9, -0.2])
    assert float(score_kl(scores, scores)) == 0.0
    assert float(score_kl(scores, scores + 0.5)) == pytest.approx(0, abs=1e-6)


def test_mixed_targets() -> None:
    labels, scores = torch.tensor([1.0, NAN, 0.0]), torch.tensor([0.5, 0.25, 1.0])
    assert mixed_targets(labels, scores, 0.25).tolist() == [0.875, 0.25, 0.25]
    assert mixed_targets(labels, scores, 0.0).tolist() == [1.0, 0.25, 0.0]
    assert mixed_targets(labels, scores, 1.0).tolist() == [0.5, 0.25, 1.0]
