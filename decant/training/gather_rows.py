"""What several processes share of one batch: its rows, and the losses and gradients of all of it.

A process runs the model on its share of the rows. Losses see all of them: `gather_rows` has each share, with gradients,
in the order of the batch, so that each process computes the loss of the whole batch. Gradients are made for DDP, which
takes their mean over the processes: the share's own are scaled by the number of processes, and those of weights that
stand behind `gather_rows` are the same in every process. In a single process all of this leaves things as they are.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch import distributed as dist

ROWS = "rows"  # in a batch that is a share: [rows of the whole batch, 0], so that no GPU is asked for a number


def rank() -> int:
    """Number of this process among those of a training, 0..world − 1; the first writes all files."""
    return dist.get_rank() if _grouped() else 0


def world() -> int:
    """Processes of this training."""
    return dist.get_world_size() if _grouped() else 1


def share(rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """This process's rows of a batch: every world-th, all shares of one length.

    Where the rows do not suffice, a share ends with a row that `gather_rows` leaves out.
    """
    places = np.arange(-(-len(rows) // world())) * world() + rank()
    return rows[places % len(rows)]


def own_rows(rows: Tensor) -> int:
    """How many rows of this process's share count: all, or all but the last."""
    return len(range(rank(), len(rows), world()))


def gather_rows(own: Tensor, rows: Tensor | None) -> Tensor:
    """A tensor's rows of the whole batch, [rows, …], from this process's share of them, [share, …].

    Args:
        rows: what the batch holds as ROWS; None where the batch is whole, which leaves the tensor as it is.
    """
    if rows is None:
        return own
    whole: Tensor = _Gather.apply(own, len(rows))
    return whole


def mean_over_ranks(own: Tensor, weight: Tensor) -> Tensor:
    """Weighted mean over the processes of a scalar each, with its gradient made for DDP.

    Args:
        weight: of this process, such as the number of tokens that `own` is the mean of; not all are 0.
    """
    if world() == 1:
        return own
    total = weight.detach().to(own.dtype, copy=True)
    dist.all_reduce(total)
    part = own * (weight / total)
    value = part.detach().clone()
    dist.all_reduce(value)
    scaled = part * world()
    return scaled + (value - scaled).detach()


def from_first(value: float) -> float:
    """The value that the first process has."""
    if world() == 1:
        return value
    held = torch.tensor([value], dtype=torch.float64, device="cuda" if dist.get_backend() == "nccl" else "cpu")
    dist.broadcast(held, 0)
    return float(held)


def _grouped() -> bool:
    return dist.is_available() and dist.is_initialized()


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, own: Tensor, count: int) -> Tensor:
        parts = [torch.empty_like(own, memory_format=torch.contiguous_format) for _ in range(world())]
        dist.all_gather(parts, own.contiguous())
        return torch.stack(parts, 1).flatten(0, 1)[:count]

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        # every process has the same loss of all rows, so that none needs another's gradient of its own ones
        gradient = gradients[0]
        left_out = -len(gradient) % world()
        whole = torch.cat([gradient, gradient.new_zeros(left_out, *gradient.shape[1:])])
        return whole[rank() :: world()] * world(), None
