from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from students.losses.loss_weights import VectorWeights
from students.losses.vector_losses import cosine_distance, similarity_kl, similarity_mse, vector_loss, vector_mse

Loss = Callable[[Tensor, Tensor], Tensor]
STUDENT = torch.eye(3)  # every cosine to another text is 0
ANGLES = [0.0, 60.0, 90.0]  # cosines 1/2, 0 and √3/2 between (0, 1), (0, 2) and (1, 2)
TEACHER = torch.tensor([[math.cos(math.radians(a)), math.sin(math.radians(a))] for a in ANGLES])


def units(*shape: int, seed: int) -> Tensor:
    return functional.normalize(torch.randn(*shape, generator=torch.Generator().manual_seed(seed)), dim=-1)


def test_cosine_distance_by_hand() -> None:
    student, teacher = torch.tensor([[1.0, 0.0], [0.0, 2.0]]), torch.tensor([[3.0, 0.0], [4.0, 3.0]])
    assert float(cosine_distance(student, teacher)) == pytest.approx((0 + 0.4) / 2)
    assert float(cosine_distance(student, -student)) == pytest.approx(2)


def test_vector_loss_weighs_its_parts() -> None:
    weights = VectorWeights(similarity_kl=2, similarity_mse=3, cosine=5, temperature=1)
    parts = 2 * similarity_kl(STUDENT, TEACHER, 1) + 3 * similarity_mse(STUDENT, TEACHER)
    assert float(vector_loss(STUDENT, TEACHER, weights, None)) == pytest.approx(float(parts))
    expected = parts + 5 * cosine_distance(-TEACHER, TEACHER)
    assert float(vector_loss(STUDENT, TEACHER, weights, -TEACHER)) == pytest.approx(float(expected))


def test_vector_mse_by_hand() -> None:
    student, teacher = torch.tensor([[1.0, 0.0], [0.0, 2.0]]), torch.tensor([[1.0, 1.0], [3.0, 0.0]])
    assert float(vector_mse(student, teacher)) == (0 + 1 + 9 + 4) / 4


@pytest.mark.parametrize("loss", [cosine_distance, vector_mse])
def test_widths_must_agree(loss: Loss) -> None:
    with pytest.raises(ValueError, match="student's vectors have 3 dimensions and the teacher's 2"):
        loss(STUDENT, TEACHER)


def test_similarity_kl_by_hand_between_widths() -> None:
    # the student's share of each of the two others is 1/2, the teacher's is p and 1 − p
    def row(one: float, other: float) -> float:
        p = 1 / (1 + math.exp(other - one))
        return math.log(2) + p * math.log(p) + (1 - p) * math.log(1 - p)

    half = math.sqrt(3) / 2
    expected = (row(0.5, 0) + row(0.5, half) + row(0, half)) / 3
    assert float(similarity_kl(STUDENT, TEACHER, temperature=1)) == pytest.approx(expected, rel=1e-5)
    sharp = (row(10, 0) + row(10, 20 * half) + row(0, 20 * half)) / 3
    assert float(similarity_kl(STUDENT, TEACHER)) == pytest.approx(sharp, rel=1e-5)


def test_similarity_kl_goes_from_teacher_to_student() -> None:
    # the other way round: the teacher's shares are 1/2 each
    def row(one: float, other: float) -> float:
        q = 1 / (1 + math.exp(other - one))
        return math.log(1 / 2) - (math.log(q) + math.log(1 - q)) / 2

    half = math.sqrt(3) / 2
    expected = (row(0.5, 0) + row(0.5, half) + row(0, half)) / 3
    assert float(similarity_kl(TEACHER, STUDENT, temperature=1)) == pytest.approx(expected, rel=1e-5)


def test_similarity_mse_by_hand_between_widths() -> None:
    assert float(similarity_mse(STUDENT, TEACHER)) == pytest.approx((0.25 + 0 + 0.75) / 3, rel=1e-5)


@pytest.mark.parametrize("loss", [similarity_kl, similarity_mse])
def test_similarity_losses_see_only_the_similarities(loss: Loss) -> None:
    student, teacher = units(7, 5, seed=1), units(7, 9, seed=2)
    rotation = torch.linalg.qr(torch.randn(9, 9, generator=torch.Generator().manual_seed(3))).Q
    order = torch.tensor([3, 0, 6, 1, 5, 2, 4])
    expected = loss(student, teacher)
    assert float(expected) > 0.01
    torch.testing.assert_close(loss(student[order], (teacher @ rotation)[order]), expected)
    torch.testing.assert_close(loss(teacher @ rotation, teacher), torch.tensor(0.0), atol=1e-5, rtol=0)


@pytest.mark.parametrize("loss", [similarity_kl, similarity_mse])
def test_a_lone_text_has_nothing_to_be_like(loss: Loss) -> None:
    student = units(1, 4, seed=4).requires_grad_()
    found = loss(student, units(1, 6, seed=5))
    found.backward()
    assert float(found.detach()) == 0.0
    assert torch.equal(student.grad, torch.zeros(1, 4))
