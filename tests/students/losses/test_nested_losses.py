from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from students.losses.nested_losses import compress, feature_kl, nested_loss
from students.nesting.nesting import (
    Agreement,
    Compression,
    GridNesting,
    LastNesting,
    MatryoshkaNesting,
    Step,
    Term,
    plan_step,
)


def test_feature_kl_by_hand() -> None:
    # top: shares 3/4 and 1/4, exit: 1/2 each; the second row agrees
    top, vectors = torch.tensor([[math.log(3), 0.0], [1.0, 5.0]]), torch.tensor([[2.0, 2.0], [0.0, 4.0]])
    row = 0.75 * math.log(1.5) + 0.25 * math.log(0.5)
    assert float(feature_kl(vectors, top)) == pytest.approx(row / 2, rel=1e-5)
    assert float(feature_kl(2 * vectors, 2 * top, temperature=2)) == pytest.approx(4 * row / 2, rel=1e-5)


@pytest.mark.parametrize("detach", [True, False])
def test_feature_kl_pulls_the_top_only_when_it_is_told_to(detach: bool) -> None:
    vectors, top = torch.tensor([[0.0, 1.0]], requires_grad=True), torch.tensor([[2.0, 0.0]], requires_grad=True)
    feature_kl(vectors, top, detach=detach).backward()
    assert vectors.grad is not None
    assert vectors.grad.abs().min() > 0.1
    assert (top.grad is None) == detach


def test_compress_by_hand() -> None:
    # m = c·I: softmax(mᵀm/√2) = [[p, 1−p], [1−p, p]], with singular values 1 and 2p − 1 along (1, 1) and (1, −1)
    c = 1.5
    p = 1 / (1 + math.exp(-(c**2) / math.sqrt(2)))
    a, b = c / math.sqrt(2), c * (2 * p - 1) / math.sqrt(2)
    vectors = c * torch.eye(2)
    assert float(compress(vectors, 1)) == pytest.approx(((c - a) ** 2 + a**2) / 2, rel=1e-5)
    # two dims: the second column's sign is that of the features, so the target is (a, −b), (a, b)
    mse = ((c - a) ** 2 + b**2 + a**2 + (c - b) ** 2) / 4

    def kl(target: tuple[float, float], found: tuple[float, float]) -> float:
        t, f = (1 / (1 + math.exp(pair[1] - pair[0])) for pair in (target, found))
        return t * math.log(t / f) + (1 - t) * math.log((1 - t) / (1 - f))

    expected = mse + (kl((a, -b), (c, 0)) + kl((a, b), (0, c))) / 2
    assert float(compress(vectors, 2)) == pytest.approx(expected, rel=1e-5)


def test_compress_against_the_eigenvectors() -> None:
    # U and S² are the eigenvectors and eigenvalues of A·Aᵀ, A = softmax(mᵀm/√D) row by row
    m = torch.randn(7, 5, generator=torch.Generator().manual_seed(1)).double()
    e = np.exp(m.numpy().T @ m.numpy() / math.sqrt(5))
    a = e / e.sum(axis=1, keepdims=True)
    squares, u = np.linalg.eigh(a @ a.T)
    assert np.abs(a - a.T).max() > 0.01
    target = (m.numpy() @ u[:, ::-1] * np.sqrt(squares[::-1]))[:, :3]
    nearer = np.where(np.square(target - m.numpy()[:, :3]).sum(0) < np.square(target + m.numpy()[:, :3]).sum(0), 1, -1)
    target = torch.from_numpy(target * nearer)
    p, q = torch.softmax(target, dim=1), torch.softmax(m[:, :3], dim=1)
    expected = (target - m[:, :3]).square().mean() + (p * (p / q).log()).sum(dim=1).mean()
    torch.testing.assert_close(compress(m, 3), expected)


def test_compress_keeps_its_target_out_of_the_gradient() -> None:
    vectors = torch.randn(6, 5, generator=torch.Generator().manual_seed(0)).requires_grad_()
    compress(vectors, 2).backward()
    assert torch.equal(vectors.grad[:, 2:], torch.zeros(6, 3)), "the dropped features only reach the target"
    assert vectors.grad[:, :2].abs().min() > 0


def first_entries(vectors: Tensor, layer: int, dim: int) -> Tensor:
    assert vectors.shape[1] == dim
    return layer * vectors[:, 0].sum()


def test_nested_loss_by_hand() -> None:
    exits = [torch.tensor([[3.0, 4.0, 0.0]]), torch.tensor([[0.0, 0.0, 2.0]])]
    step = Step(
        (Term(1, 2, 2.0), Term(1, 1, 0.5), Term(2, 3, 1.5)), (Agreement(1, 2, 3.0),), (Compression(1, 1, 0.25),)
    )
    # base: layer times the first entry of the unit slice: 0.6, 1 and 0; agreement to (0, 0) at T = 2
    p = 1 / (1 + math.exp(0.5))
    agreement = 4 * (math.log(0.5) - (math.log(p) + math.log(1 - p)) / 2)
    expected = (2 * 0.6 + 0.5 * 1 + 3 * agreement + 0.25 * float(compress(exits[0], 1))) / 4
    assert float(nested_loss(exits, step, first_entries, temperature=2.0)) == pytest.approx(expected, rel=1e-5)


def test_nested_loss_of_one_base_loss_does_not_grow_with_the_exits() -> None:
    exits = [torch.ones(2, 4)] * 4
    for nesting in (LastNesting(), MatryoshkaNesting(), GridNesting(layer_weights="log")):
        step = plan_step(nesting, 4, (4, 2), np.random.default_rng(7))
        found = nested_loss(exits, step, lambda vectors, layer, dim: vectors.square().sum())
        assert float(found) == pytest.approx(2, rel=1e-5)


@pytest.mark.parametrize("detach", [True, False])
def test_agreements_look_up_to_the_deepest_layer_present(detach: bool) -> None:
    exits = [torch.randn(3, 4, generator=torch.Generator().manual_seed(i)).requires_grad_() for i in range(3)]
    step = Step((Term(1, 4, 1.0),), (Agreement(1, 2, 1.0),))
    found = nested_loss(exits, step, lambda vectors, layer, dim: vectors.sum() * 0, detach=detach)
    torch.testing.assert_close(found, feature_kl(exits[0][:, :2], exits[2][:, :2]))
    found.backward()
    assert exits[1].grad is None
    assert (exits[2].grad is None) == detach


def test_a_shallow_step_needs_no_deep_exits() -> None:
    exits = [torch.rand(2, 4), torch.rand(2, 4)]
    assert torch.isfinite(nested_loss(exits, Step((Term(1, 4, 1.0), Term(2, 2, 1.0))), first_entries))
    with pytest.raises(ValueError, match="needs layer 3, but there are exits of 2 layers only"):
        nested_loss(exits, Step((Term(3, 4, 1.0),)), first_entries)
