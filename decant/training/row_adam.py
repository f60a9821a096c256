"""Adam that touches only the rows of a table that a batch has read: a step costs what the batch holds, not the table.

Moments of a row decay when the row is read, not with every step: what torch calls lazy, in its SparseAdam. Of the
squares a row keeps one number, their mean, so that a table's optimizer holds one more table, not two. Parameters with
a whole gradient stand beside such tables, and move by plain Adam (Kingma and Ba 2015, algorithm 1).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

BETAS, EPSILON = (0.9, 0.999), 1e-8
STATIC_BETAS = (0.8, 0.99)  # of a table of tokens, most of which are read once in hundreds of steps


class RowAdam(Optimizer):
    """Adam without decay of weights, for tables with sparse gradients and for whole parameters.

    Args:
        groups: parameters, or groups of them with a rate `lr` of their own.
        lr: learning rate of groups without one.
        betas: what a mean and a square keep of themselves, each time that a row is read.
    """

    def __init__(self, groups: Iterable[Any], lr: float = 1e-3, betas: tuple[float, float] = BETAS) -> None:
        super().__init__(groups, {"lr": lr, "betas": betas})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Move every parameter that has a gradient."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is not None:
                    self._move(weight, weight.grad, group["lr"], group["betas"])
        return loss

    def _move(self, weight: Tensor, gradient: Tensor, rate: float, betas: tuple[float, float]) -> None:
        state = self.state[weight]
        if not state:
            state["step"] = torch.zeros((), dtype=torch.int64)
            squares = weight[:, :1] if gradient.is_sparse else weight
            state["mean"], state["square"] = torch.zeros_like(weight), torch.zeros_like(squares)
        state["step"] += 1
        first, second = (1 - beta ** int(state["step"]) for beta in betas)
        size = rate * math.sqrt(second) / first
        if not gradient.is_sparse:
            mean = state["mean"].lerp_(gradient, 1 - betas[0])
            square = state["square"].mul_(betas[1]).addcmul_(gradient, gradient, value=1 - betas[1])
            weight.addcdiv_(mean, square.sqrt().add_(EPSILON * math.sqrt(second)), value=-size)
            return
        gradient = gradient.coalesce()
        rows, values = gradient.indices()[0], gradient.values()
        mean = state["mean"].index_select(0, rows).lerp_(values, 1 - betas[0])
        squares = values.square().mean(1, keepdim=True)
        square = state["square"].index_select(0, rows).lerp_(squares, 1 - betas[1])
        state["mean"].index_copy_(0, rows, mean)
        state["square"].index_copy_(0, rows, square)
        weight.index_add_(0, rows, mean.div_(square.sqrt_().add_(EPSILON * math.sqrt(second))), alpha=-size)


@torch.no_grad()
def clip_gradients(parameters: Iterable[Tensor], most: float) -> None:
    """Scale all gradients down so that their norm is at most `most`; sparse ones by the rows that they hold."""
    found = [weight.grad for weight in parameters if weight.grad is not None]
    values = [(one.coalesce().values() if one.is_sparse else one) for one in found]
    if not values:
        return
    norm = torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(one) for one in values]))
    if norm > most:
        for one in found:
            one.mul_(most / (float(norm) + 1e-6))
