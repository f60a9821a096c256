"""The modules that may stand between the pooled vector and the answer, as their configs state them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from decant.errors import InputError

ACTIVATIONS = (
    "CELU", "ELU", "GELU", "Hardshrink", "Hardsigmoid", "Hardswish", "Hardtanh", "Identity", "LeakyReLU", "LogSigmoid",
    "Mish", "PReLU", "ReLU", "ReLU6", "SELU", "SiLU", "Sigmoid", "Softplus", "Softshrink", "Softsign", "Tanh",
    "Tanhshrink",
)  # fmt: skip
"""torch's activations of one number, made without arguments, as sentence-transformers makes them."""


@dataclass(frozen=True)
class Part:
    """One module of the chain, as its folder's config states it.

    Args:
        kind: the module's name in sentence-transformers.
        folder: where its weights lie; None: it has none, or they are not stored yet.
        in_features: width of what it takes; 0 where it takes any.
        out_features: width of what it gives; 0: as wide as what it takes.
        bias: Dense: whether its linear map has one.
        activation: Dense: one of `ACTIVATIONS`.
        residual: Dense: whether what it takes is added to what it gives, by a linear map where the widths differ.
    """

    kind: Literal["Dense", "LayerNorm", "Normalize"]
    folder: Path | None = None
    in_features: int = 0
    out_features: int = 0
    bias: bool = True
    activation: str = "Tanh"
    residual: bool = False


def out_width(parts: Sequence[Part], width: int) -> int:
    """Width of what the parts give for vectors of this width.

    Raises:
        InputError: a part takes vectors of another width than the one before it gives.
    """
    for part in parts:
        if part.in_features not in (0, width):
            raise InputError(
                f"{part.folder}: its {part.kind} module takes vectors of {part.in_features} numbers, but gets {width}"
            )
        width = part.out_features or width
    return width


def config_of(part: Part) -> dict[str, object]:
    """A part's config.json, as every version of sentence-transformers reads it."""
    if part.kind == "Normalize":
        return {}
    if part.kind == "LayerNorm":
        return {"dimension": part.in_features}
    kind = "linear" if part.activation == "Identity" else "activation"
    stated: dict[str, object] = {
        "in_features": part.in_features,
        "out_features": part.out_features,
        "bias": part.bias,
        "activation_function": f"torch.nn.modules.{kind}.{part.activation}",
    }
    return stated | ({"use_residual": True} if part.residual else {})
