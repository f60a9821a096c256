"""How the losses of a nested student's exits add up in one step."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional

from students.losses.score_losses import softmax_kl
from students.nesting.nesting import Step

BaseLoss = Callable[[Tensor, int, int], Tensor]


def nested_loss(
    exits: Sequence[Tensor], step: Step, base: BaseLoss, *, temperature: float = 1.0, detach: bool = True
) -> Tensor:
    """Weighted sum of the step's losses, divided by the sum of its terms' weights.

    The division keeps the loss at the size of one base loss, so that the same learning rate suits few exits and many.

    Args:
        exits: float32 [rows, D] each, pooled and not normalised: item i after layer i + 1. Deeper layers than
            `step.deepest` may be missing; the last item is what agreements look up to.
        base: (unit vectors [rows, dim], layer, dim) → scalar.
        temperature: of the agreements.
        detach: no gradient of the agreements into the last item.

    Raises:
        ValueError: the step needs a layer that `exits` lacks.
    """
    if len(exits) < step.deepest:
        raise ValueError(f"the step needs layer {step.deepest}, but there are exits of {len(exits)} layers only")
    total = exits[-1].new_zeros(())
    for layer, dim, weight in step.terms:
        total = total + weight * base(functional.normalize(exits[layer - 1][:, :dim], dim=1), layer, dim)
    for layer, dim, weight in step.agreements:
        total = total + weight * feature_kl(exits[layer - 1][:, :dim], exits[-1][:, :dim], temperature, detach)
    for layer, dim, weight in step.compressions:
        total = total + weight * compress(exits[layer - 1], dim)
    return total / sum(term.weight for term in step.terms)


def feature_kl(vectors: Tensor, top: Tensor, temperature: float = 1.0, detach: bool = True) -> Tensor:
    """Mean over rows of T²·KL(softmax(top/T) ‖ softmax(vectors/T)), the softmax over features.

    2DMSE's alignment term; T² keeps the gradient's size when T changes (Hinton et al. 2015).

    Args:
        vectors: float [rows, dim], not normalised.
        top: float [rows, dim], of the deeper layer.
        detach: no gradient into `top`: it teaches, and is not pulled towards the shallower layer.
    """
    top = top.detach() if detach else top
    return temperature**2 * softmax_kl(vectors, top, temperature)


def compress(vectors: Tensor, dim: int) -> Tensor:
    """MSE + KL of the softmax over features, from the first `dim` features m[:, :dim] to m·U[:, :dim]·diag(S[:dim]).

    ESE's learn-to-compress, with A = U·S·Vᵀ for A = softmax(mᵀm/√D), and no gradient into its target. The sign of a
    singular vector is arbitrary; the one whose target lies nearer to the feature is taken, where the authors' code
    takes what the solver gives.

    Args:
        vectors: m, float32 [rows, D], not normalised.
    """
    features = vectors[:, :dim]
    with torch.no_grad():
        related = torch.softmax(vectors.T @ vectors / vectors.shape[1] ** 0.5, dim=1)
        u, s, _ = torch.linalg.svd(related)
        target = vectors @ (u[:, :dim] * s[:dim])
        target = torch.where((target * features).sum(dim=0) < 0, -target, target)
    return functional.mse_loss(features, target) + feature_kl(features, target)
