"""How teachers and students alike are optimised: the settings, AdamW and its rates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, Field

from decant.models.bfloat16 import bfloat16_is_native
from decant.models.quantized import in_head
from decant.training.on_nan import OnNan

if TYPE_CHECKING:  # a recipe's settings are read without it
    from torch import nn

NO_DECAY = ("bias", "norm")


class FitSettings(BaseModel, frozen=True, extra="forbid"):
    """Optimisation, the same for teachers and students."""

    epochs: int = Field(3, ge=0, le=1000, description="passes over the training pairs; 0 trains nothing")
    learning_rate: float = Field(5.0e-5, gt=0, lt=1, description="peak of AdamW's learning rate")
    batch_size: int = Field(32, ge=2, le=4096, description="pairs a batch")
    accumulate: int = Field(1, ge=1, le=1024, description="batches an optimiser step")
    warmup_share: float = Field(0.1, ge=0, le=1, description="share of the steps in which the rate rises from 0")
    head_rate: float = Field(1.0, gt=0, le=1000, description="learning rate of a new head, times the body's")
    dropout: float = Field(0.0, ge=0, lt=1, description="every dropout while training; 0 is faster on a CPU")
    weight_decay: float = Field(0.01, ge=0, le=1, description="AdamW's decay; none on biases and norms")
    clip: float = Field(1.0, gt=0, description="largest norm of the gradient")
    patience: int = Field(2, ge=1, description="epochs without a better dev metric before training stops")
    precision: Literal["auto", "32-true", "bf16-mixed"] = Field(
        "auto", description="auto: bf16-mixed where the processor multiplies bfloat16 natively, 32-true elsewhere"
    )
    on_nan: OnNan | None = Field(
        None,
        exclude_if=lambda value: value is None,  # so that no finished training depends on there being such a setting
        description="go on at a lower rate after a loss that is not a number; default: stop",
    )


def by_rows(module: nn.Module) -> bool:
    """Whether it holds a table of token vectors that is learned row by row."""
    from decant.models.static_backbone import StaticBackbone

    return any(isinstance(part, StaticBackbone) for part in module.modules())


def adamw(module: nn.Module, settings: FitSettings, batches: int) -> dict[str, Any]:
    """AdamW without decay on biases and norms, heads at their own rate, linear warm-up and decay, for Lightning.

    A static student's table is learned by Adam, without decay, in the rows of each batch alone.

    Args:
        batches: batches an epoch.
    """
    import torch

    from decant.training.row_adam import STATIC_BETAS, RowAdam

    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for name, weight in module.named_parameters():
        if weight.requires_grad:
            plain = any(part in name.lower() for part in NO_DECAY)
            groups.setdefault((plain, in_head(name)), []).append(weight)
    rate_of = {False: settings.learning_rate, True: settings.learning_rate * settings.head_rate}
    found = [
        {"params": weights, "lr": rate_of[head], "weight_decay": 0.0 if plain else settings.weight_decay}
        for (plain, head), weights in groups.items()
    ]
    optimizer: torch.optim.Optimizer
    if by_rows(module):
        optimizer = RowAdam(found, betas=STATIC_BETAS)
    else:  # fused: one pass over weights, gradients and moments: at batch 32 the loop took 46 % of a CPU step
        optimizer = torch.optim.AdamW(found, fused=True)
    steps = max(1, settings.epochs * -(-batches // settings.accumulate))
    warmup = settings.warmup_share * steps

    def rate(step: int) -> float:
        return min(1.0, (step + 1) / max(1.0, warmup)) * max(0.0, (steps - step) / steps)

    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def training_precision(settings: FitSettings) -> Literal["32-true", "bf16-mixed"]:
    """What `auto` means on this machine."""
    if settings.precision != "auto":
        return settings.precision
    return "bf16-mixed" if bfloat16_is_native() else "32-true"
