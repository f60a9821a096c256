from __future__ import annotations

import cmath
import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from students.losses.ranking_losses import angle, info_nce
from students.losses.score_losses import cosent, pairwise_ranking


def units(*shape: int, seed: int = 0) -> Tensor:
    return functional.normalize(torch.randn(*shape, generator=torch.Generator().manual_seed(seed)), dim=-1)


def test_pairwise_ranking_by_hand() -> None:
    # target 1 is above 0 and 2: log(1 + e^(2·(1 − 3)) + e^(2·(0 − 3)))
    found = pairwise_ranking(torch.tensor([1.0, 3.0, 0.0]), torch.tensor([0.2, 0.9, 0.2]), 2.0)
    assert float(found) == pytest.approx(math.log(1 + math.exp(-4) + math.exp(-6)), rel=1e-5)


def test_angle_of_plane_vectors_is_cosine_plus_sine() -> None:
    # at dim 2 a vector is one complex number, and the quotient of two is e^(i·(φ − ψ))
    first, second = [0.3, 1.2, 2.0], [0.1, 0.2, 2.5]
    ratios = [cmath.exp(1j * (a - b)) for a, b in zip(first, second, strict=True)]
    x = [abs(ratio.real + ratio.imag) for ratio in ratios]
    targets = torch.tensor([0.5, 1.0, 0.0])  # above: (1, 0), (1, 2), (0, 2)
    expected = math.log(1 + math.exp(20 * (x[0] - x[1])) + math.exp(20 * (x[2] - x[1])) + math.exp(20 * (x[2] - x[0])))
    vectors = [torch.tensor([[math.cos(angle), math.sin(angle)] for angle in side]) for side in (first, second)]
    assert float(angle(*vectors, targets)) == pytest.approx(expected, rel=1e-5)
    # the same pairs at other lengths
    assert float(angle(3 * vectors[0], 0.5 * vectors[1], targets)) == pytest.approx(expected, rel=1e-5)


def test_angle_of_real_vectors_is_cosent() -> None:
    first, second = units(5, 4, seed=6).abs(), units(5, 4, seed=7).abs()  # abs: no cosine below 0
    flat = functional.pad(first, (0, 4)), functional.pad(second, (0, 4))
    targets = torch.tensor([0.1, 0.9, 0.4, 0.4, 0.7])
    cosines = functional.cosine_similarity(first, second)
    torch.testing.assert_close(angle(*flat, targets, scale=5), cosent(cosines, targets, scale=5))


def test_angle_against_complex_arithmetic() -> None:
    first, second, targets = units(6, 8, seed=1), units(6, 8, seed=2), torch.tensor([3.0, 1.0, 2.0, 2.0, 0.0, 5.0])
    z, w = (torch.complex(*vectors.chunk(2, dim=1)) for vectors in (first, second))
    quotient = z * w.conj() / w.abs().square().sum(dim=1, keepdim=True)
    quotient = quotient / (z.abs().square().sum(dim=1) / w.abs().square().sum(dim=1)).sqrt()[:, None]
    expected = pairwise_ranking((quotient.real + quotient.imag).sum(dim=1).abs(), targets, 20.0)
    torch.testing.assert_close(angle(first, second, targets), expected)


def test_angle_refuses_an_odd_dim() -> None:
    with pytest.raises(ValueError, match="dim must be even; it is 7"):
        angle(units(2, 7), units(2, 7), torch.tensor([0.0, 1.0]))


def test_info_nce_by_hand() -> None:
    queries = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    positives = torch.tensor([[0.8, 0.6], [0.0, 1.0]])
    # cosines: 0.8 0 / 0.6 1
    rows = math.log(1 + math.exp(-0.8)), math.log(1 + math.exp(-0.4))
    columns = math.log(1 + math.exp(-0.2)), math.log(1 + math.exp(-1))
    assert float(info_nce(queries, positives, temperature=1)) == pytest.approx(sum(rows) / 2, rel=1e-5)
    both = info_nce(queries, positives, temperature=1, symmetric=True)
    assert float(both) == pytest.approx((sum(rows) + sum(columns)) / 4, rel=1e-5)
    sharp = math.log(1 + math.exp(-16)), math.log(1 + math.exp(-8))
    assert float(info_nce(queries, positives)) == pytest.approx(sum(sharp) / 2, rel=1e-3)


def test_a_hard_negative_is_seen_by_its_own_query_alone() -> None:
    queries = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    negatives = torch.tensor([[[0.6, 0.8]], [[1.0, 0.0]]])  # cosines to their own query: 0.6 and 0
    # log(own + other + hard) − own, with own 1 and other 0
    rows = math.log(math.e + 1 + math.exp(0.6)) - 1, math.log(math.e + 2) - 1
    found = info_nce(queries, queries, negatives, temperature=1)
    assert float(found) == pytest.approx(sum(rows) / 2, rel=1e-5)
    # from the side of the positives there is none
    both = info_nce(queries, queries, negatives, temperature=1, symmetric=True)
    assert float(both) == pytest.approx(sum(rows) / 4 + math.log(1 + math.exp(-1)) / 2, rel=1e-5)


@pytest.mark.parametrize("symmetric", [False, True])
def test_duplicates_are_no_negatives(symmetric: bool) -> None:
    queries = units(4, 6)
    positives = queries[[0, 1, 2, 2]]
    same = torch.eye(4, dtype=torch.bool)
    same[2, 3] = same[3, 2] = True
    found = info_nce(queries, positives, same=same, symmetric=symmetric)
    cosines = (queries @ positives.T) / 0.05
    rows = [[j for j in range(4) if {i, j} != {2, 3}] for i in range(4)]
    losses = [cosines[i, rows[i]].logsumexp(0) - cosines[i, i] for i in range(4)]
    if symmetric:
        losses += [cosines[rows[i], i].logsumexp(0) - cosines[i, i] for i in range(4)]
    torch.testing.assert_close(found, torch.stack(losses).mean())
    # the diagonal of the mask does not count
    without = same & ~torch.eye(4, dtype=torch.bool)
    assert torch.equal(found, info_nce(queries, positives, same=without, symmetric=symmetric))


def test_focal_weight_by_hand() -> None:
    # at temperature 1/ln 3 and cosines 1 and 0, p = 3/4; the second query has p = 1/2
    queries = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    positives = torch.tensor([[1.0, 0.0], [0.0, 0.0]])
    temperature = 1 / math.log(3)
    plain = -math.log(3 / 4), -math.log(1 / 2)
    assert float(info_nce(queries, positives, temperature=temperature)) == pytest.approx(sum(plain) / 2, rel=1e-5)
    for gamma in (0.5, 2.0):
        found = info_nce(queries, positives, temperature=temperature, focal_gamma=gamma)
        assert float(found) == pytest.approx((0.25**gamma * plain[0] + 0.5**gamma * plain[1]) / 2, rel=1e-5)


def test_focal_gradient_is_finite_where_the_positive_takes_all() -> None:
    queries = torch.eye(3).requires_grad_()
    loss = info_nce(queries, torch.eye(3), temperature=0.001, focal_gamma=0.5)
    loss.backward()
    assert float(loss.detach()) == 0.0
    assert torch.equal(queries.grad, torch.zeros(3, 3))


def test_focal_weight_takes_no_gradient() -> None:
    queries, positives = units(1, 4, seed=3).requires_grad_(), units(1, 4, seed=4)
    negatives = units(1, 2, 4, seed=5)
    plain = info_nce(queries, positives, negatives, temperature=1)
    (gradient,) = torch.autograd.grad(plain, queries)
    weight = (1 - math.exp(-float(plain.detach()))) ** 0.5
    (focal,) = torch.autograd.grad(info_nce(queries, positives, negatives, temperature=1, focal_gamma=0.5), queries)
    torch.testing.assert_close(focal, weight * gradient)
