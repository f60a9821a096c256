"""Adam by rows is Adam: torch's own where every row is read, its lazy one where some are."""

import pytest
import torch
from torch import Tensor
from torch.optim import Adam, SparseAdam

from decant.training.row_adam import RowAdam, clip_gradients


def _sparse(rows: list[int], values: Tensor, shape: tuple[int, int]) -> Tensor:
    return torch.sparse_coo_tensor(torch.tensor([rows]), values, shape, check_invariants=True)


@pytest.mark.parametrize("betas", [(0.9, 0.999), (0.8, 0.99)])
def test_whole_gradients_move_as_in_torchs_adam(betas: tuple[float, float]) -> None:
    own, theirs = (torch.nn.Parameter(torch.linspace(-1, 1, 12).view(4, 3)) for _ in range(2))
    optimizers = RowAdam([own], 0.05, betas), Adam([theirs], 0.05, betas)
    for step in range(5):
        gradient = torch.randn(4, 3, generator=torch.Generator().manual_seed(step))
        own.grad, theirs.grad = gradient.clone(), gradient.clone()
        for optimizer in optimizers:
            optimizer.step()
    torch.testing.assert_close(own, theirs)


def test_rows_move_as_in_torchs_lazy_adam_where_a_rows_squares_are_alike_and_others_stay() -> None:
    start = torch.linspace(-1, 1, 15).view(5, 3)
    own, theirs = (torch.nn.Parameter(start.clone()) for _ in range(2))
    optimizers = RowAdam([own], 0.05), SparseAdam([theirs], 0.05)
    for step, rows in enumerate(([0, 2], [2, 3], [0, 3, 2])):
        generator = torch.Generator().manual_seed(step)
        signs = torch.randint(0, 2, (len(rows), 3), generator=generator) * 2.0 - 1
        values = signs * torch.rand(len(rows), 1, generator=generator)
        own.grad, theirs.grad = (_sparse(rows, values, (5, 3)) for _ in range(2))
        for optimizer in optimizers:
            optimizer.step()
    torch.testing.assert_close(own, theirs)
    assert torch.equal(own[[1, 4]], start[[1, 4]])


def test_a_row_read_twice_in_a_batch_moves_once_by_both_gradients() -> None:
    once, twice = (torch.nn.Parameter(torch.ones(3, 2)) for _ in range(2))
    once.grad = _sparse([1], torch.tensor([[3.0, 1.0]]), (3, 2))
    twice.grad = _sparse([1, 1], torch.tensor([[1.0, 2.0], [2.0, -1.0]]), (3, 2))
    for weight in (once, twice):
        RowAdam([weight], 0.1).step()
    torch.testing.assert_close(once, twice)
    mean_square = torch.tensor(5.0)
    torch.testing.assert_close(once[1], 1 - 0.1 * torch.tensor([3.0, 1.0]) / mean_square.sqrt())


@pytest.mark.parametrize("most", [0.5, 100.0])
def test_clipping_sparse_gradients_is_clipping_whole_ones(most: float) -> None:
    values = torch.tensor([[3.0, 4.0], [0.0, 12.0]])
    sparse, whole, beside = (torch.nn.Parameter(torch.zeros(4, 2)) for _ in range(3))
    sparse.grad, whole.grad = _sparse([0, 3], values, (4, 2)), torch.zeros(4, 2)
    whole.grad[[0, 3]] = values
    beside.grad = torch.ones(4, 2)
    other = torch.nn.Parameter(torch.zeros(4, 2))
    other.grad = torch.ones(4, 2)
    clip_gradients([sparse, beside], most)
    torch.nn.utils.clip_grad_norm_([whole, other], most)
    torch.testing.assert_close(sparse.grad.to_dense(), whole.grad)
    torch.testing.assert_close(beside.grad, other.grad)
