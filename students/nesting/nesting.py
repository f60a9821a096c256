"""Which exits (layers, dim) of a nested student one training step takes, and what each weighs.

An exit is the pooled vector after one of the layers 1..N, cut to its first dim of D dimensions.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Literal, NamedTuple, TypedDict

import numpy as np
from pydantic import BaseModel, Field

from decant.errors import InputError

Weight = Annotated[float, Field(gt=0, le=1000)]
Size = tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]]
LayerWeights = Literal["none", "linear", "log"]


class Term(NamedTuple):
    """The base loss at an exit."""

    layer: int
    dim: int
    weight: float


class Agreement(NamedTuple):
    """`feature_kl` of the exit to the deepest layer's vector of the same dim."""

    layer: int
    dim: int
    weight: float


class Compression(NamedTuple):
    """`compress` of a layer's vector into its first dim dimensions."""

    layer: int
    dim: int
    weight: float


@dataclass(frozen=True)
class Step:
    """What one training step computes."""

    terms: tuple[Term, ...]
    agreements: tuple[Agreement, ...] = ()
    compressions: tuple[Compression, ...] = ()

    @property
    def deepest(self) -> int:
        """The deepest layer that is needed, 1..N: the forward can end there."""
        return max(layer for layer, _, _ in (*self.terms, *self.agreements, *self.compressions))


class LastNesting(BaseModel, frozen=True, extra="forbid"):
    """(N, D) alone: a student without nesting."""

    kind: Literal["last"] = "last"


class MatryoshkaNesting(BaseModel, frozen=True, extra="forbid"):
    """Every dim of the last layer (Kusupati et al. 2022)."""

    kind: Literal["matryoshka"] = "matryoshka"
    dim_weights: tuple[Weight, ...] = Field(
        (), description="one weight a dim, in the order of dims; default: 1 each; KaLM-Embedding-V2: 1, .3, .2, .1, .1"
    )


class TwoDNesting(BaseModel, frozen=True, extra="forbid"):
    """2DMSE: (N, D), (n, D), (N, d), (n, d) and an agreement of (n, D), with n < N and d < D drawn a step.

    Li et al. 2024, arXiv 2402.14776 version 1, and its code.
    """

    kind: Literal["two_d"] = "two_d"
    temperature: float = Field(1.0, gt=0, le=100, description="of the agreement's softmax over features")
    detach: bool = Field(True, description="no gradient of the agreement into the last layer's vector")


class EseNesting(BaseModel, frozen=True, extra="forbid"):
    """ESE: (N, D), and one drawn d < D at every layer, with a compression each.

    Li et al. 2024, arXiv 2402.14776 version 2, and its code; layer i < N has the weight 1/(1 + ln(1 + i)), layer N
    has 1. Their loop runs over the embedding output and the layers up to N − 2; here it is every layer, since N − 1
    is an exit like the others. They have one fixed d, and take the mean of the earlier layers' part, not the sum.
    """

    kind: Literal["ese"] = "ese"


class StarbucksNesting(BaseModel, frozen=True, extra="forbid"):
    """Fixed exits from small to large, all every step with weight 1, the smaller ones with an agreement.

    Zhuang et al. 2024, and its code, in which the agreement weighs 0.3 and does reach the last layer.
    """

    kind: Literal["starbucks"] = "starbucks"
    sizes: tuple[Size, ...] = Field(
        (), description="pairs of layers and dim, small to large, the last the whole model; default: from layers, dims"
    )
    temperature: float = Field(1.0, gt=0, le=100, description="of the agreement's softmax over features")
    detach: bool = Field(True, description="no gradient of the agreement into the last layer's vector")


class GridNesting(BaseModel, frozen=True, extra="forbid"):
    """Every layer at D, and the smaller dims at every layer: the whole grid from one forward."""

    kind: Literal["grid"] = "grid"
    layer_weights: LayerWeights = Field(
        "none", description="weight of an exit at layer i of N: none: 1; linear: (N - i + 1)/N; log: 1/(1 + ln i)"
    )
    small_dims: Literal["every", "draw"] = Field("every", description="all smaller dims, or one that is drawn a step")
    depth_sampling: float = Field(
        0.0, ge=0, lt=1, description="share of the steps that run only the first half of the layers, at half the cost"
    )


Nesting = Annotated[
    LastNesting | MatryoshkaNesting | TwoDNesting | EseNesting | StarbucksNesting | GridNesting,
    Field(discriminator="kind"),
]


def check_nesting(nesting: Nesting, layers: int, dims: tuple[int, ...]) -> None:
    """Refuse a nesting that a student of `layers` layers and these dims cannot train.

    Raises:
        InputError: no layer, no dim or one named twice, or what this kind of nesting cannot do with them.
    """
    listed = ", ".join(map(str, dims))
    if layers < 1:
        raise InputError(f"nesting: the student has {layers} layers; it needs 1 or more")
    if not dims or min(dims) < 1 or len(set(dims)) < len(dims):
        raise InputError(f"nesting: dims are {listed or 'none'}; give one or more, each 1 or more and named once")
    match nesting:
        case MatryoshkaNesting() if nesting.dim_weights and len(nesting.dim_weights) != len(dims):
            given = f"{len(nesting.dim_weights)} dim_weights for {len(dims)} dims ({listed})"
            raise InputError(f"nesting: matryoshka has {given}; give one a dim, or none")
        case TwoDNesting() if layers < 2:
            raise InputError("nesting: two_d draws a layer below the last, but the student has 1; take kind matryoshka")
        case TwoDNesting() | EseNesting() if len(dims) < 2:
            raise InputError(f"nesting: {nesting.kind} draws a dim below the full {listed}; add a smaller one to dims")
        case StarbucksNesting() if nesting.sizes:
            _check_sizes(nesting.sizes, layers, max(dims))
        case _:
            pass


def trained_dims(nesting: Nesting, dims: tuple[int, ...]) -> tuple[int, ...]:
    """Those of a student's vector lengths that the nesting trains, as `plan_step` takes them."""
    match nesting:
        case LastNesting():
            return (max(dims),)
        case StarbucksNesting() if nesting.sizes:
            return tuple(dim for _, dim in nesting.sizes)
        case _:
            return dims


def plan_step(nesting: Nesting, layers: int, dims: tuple[int, ...], generator: np.random.Generator) -> Step:
    """The exits of the next step, for a nesting that `check_nesting` accepts.

    Args:
        layers: N, of the student.
        dims: in any order; the largest is D, the full width.
        generator: of the draws; a step draws the same from the same state.
    """
    full, smaller = max(dims), sorted(dims)[:-1]
    match nesting:
        case LastNesting():
            return Step((Term(layers, full, 1.0),))
        case MatryoshkaNesting():
            weights = nesting.dim_weights or (1.0,) * len(dims)
            return Step(tuple(Term(layers, dim, weight) for dim, weight in zip(dims, weights, strict=True)))
        case TwoDNesting():
            layer, dim = int(generator.integers(1, layers)), int(generator.choice(smaller))
            corners = ((layers, full), (layer, full), (layers, dim), (layer, dim))
            return Step(tuple(Term(*corner, 1.0) for corner in corners), (Agreement(layer, full, 1.0),))
        case EseNesting():
            dim = int(generator.choice(smaller))
            weights = (*(1 / (1 + math.log(1 + layer)) for layer in range(1, layers)), 1.0)
            cut = [(layer, dim, weight) for layer, weight in enumerate(weights, start=1)]
            terms = (Term(layers, full, 1.0), *(Term(*part) for part in cut))
            return Step(terms, compressions=tuple(Compression(*part) for part in cut))
        case StarbucksNesting():
            sizes = nesting.sizes or starbucks_sizes(layers, dims)
            below = tuple(Agreement(layer, dim, 1.0) for layer, dim in sizes if layer < layers)
            return Step(tuple(Term(layer, dim, 1.0) for layer, dim in sizes), below)
        case GridNesting():
            shallow = generator.random() < nesting.depth_sampling
            depth = -(-layers // 2) if shallow else layers
            if smaller and nesting.small_dims == "draw":
                smaller = [int(generator.choice(smaller))]
            exits = ((layer, dim) for layer in range(1, depth + 1) for dim in (full, *smaller))
            return Step(tuple(Term(i, dim, layer_weight(nesting.layer_weights, i, layers)) for i, dim in exits))


def starbucks_sizes(layers: int, dims: tuple[int, ...]) -> tuple[tuple[int, int], ...]:
    """One exit a dim, small to large: the k-th of K dims after ⌈k·N/K⌉ layers.

    12 layers and 32, 64, …, 512, 768 give the paper's (2, 32), (4, 64), …, (10, 512), (12, 768).
    """
    return tuple((-(-k * layers // len(dims)), dim) for k, dim in enumerate(sorted(dims), start=1))


def layer_weight(kind: LayerWeights, layer: int, layers: int) -> float:
    """Weight of an exit after `layer` (1..N), 1 at the first layer and, but for `none`, less with every deeper one.

    The shallow exits weigh most because they start furthest from their goal.
    """
    if kind == "linear":
        return (layers - layer + 1) / layers
    return 1 / (1 + math.log(layer)) if kind == "log" else 1.0


class AgreementOptions(TypedDict):
    """What `nested_loss` takes from a nesting beside its steps."""

    temperature: float
    detach: bool


def agreement_options(nesting: Nesting) -> AgreementOptions:
    """Temperature and detaching of the nesting's agreements; what a nesting without them gets is never used."""
    if isinstance(nesting, TwoDNesting | StarbucksNesting):
        return {"temperature": nesting.temperature, "detach": nesting.detach}
    return {"temperature": 1.0, "detach": True}


def _check_sizes(sizes: tuple[tuple[int, int], ...], layers: int, full: int) -> None:
    listed = ", ".join(f"({layer}, {dim})" for layer, dim in sizes)
    grown = all(a != b and a[0] <= b[0] and a[1] <= b[1] for a, b in zip(sizes, sizes[1:], strict=False))
    if not grown:
        raise InputError(
            f"nesting: starbucks.sizes are {listed}; each must grow in layers or dim and shrink in neither"
        )
    if sizes[-1] != (layers, full):
        raise InputError(
            f"nesting: starbucks.sizes end with ({sizes[-1][0]}, {sizes[-1][1]}), but the student is ({layers}, {full})"
            "; the last size must be the whole student"
        )
