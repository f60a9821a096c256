"""Kinds of TensorRT engine, the shapes that one takes, and what is known of a built one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, Field, model_validator

EngineKind = Literal["tensorrt-rtx", "tensorrt-rtx-fp16", "tensorrt"]
Shape = tuple[int, int]  # texts, tokens
PORTABLE = "any GPU of compute capability 8.0 or later"


@dataclass(frozen=True)
class Product:
    """What builds a kind of engine: its Python module and package, the engine's numbers, whether it needs the GPU."""

    module: str
    package: str
    precision: Literal["fp32", "fp16"]
    needs_gpu: bool


PRODUCTS: dict[EngineKind, Product] = {
    "tensorrt-rtx": Product("tensorrt_rtx", "tensorrt-rtx", "fp32", needs_gpu=False),
    "tensorrt-rtx-fp16": Product("tensorrt_rtx", "tensorrt-rtx", "fp16", needs_gpu=False),
    "tensorrt": Product("tensorrt", "tensorrt", "fp16", needs_gpu=True),
}


class EngineShapes(BaseModel, frozen=True, extra="forbid"):
    """The shapes that an engine takes: least, usual (it is tuned for these) and most."""

    texts: tuple[int, int, int] = Field((1, 32, 128), description="texts a batch")
    tokens: tuple[int, int, int] = Field(
        (2, 32, 256), description="tokens a text, specials included; never more than the model takes"
    )

    @model_validator(mode="after")
    def _ascending(self) -> EngineShapes:
        for name, (least, usual, most) in (("texts", self.texts), ("tokens", self.tokens)):
            if not 1 <= least <= usual <= most:
                raise ValueError(f"{name}: [{least}, {usual}, {most}] must be 1 or more and ascend")
        return self

    def up_to(self, max_length: int) -> tuple[Shape, Shape, Shape]:
        """Least, usual and most (texts, tokens) for a model that takes `max_length` tokens."""
        least, usual, most = (min(tokens, max_length) for tokens in self.tokens)
        return (self.texts[0], least), (self.texts[1], usual), (self.texts[2], most)


class EngineFacts(BaseModel, frozen=True, extra="forbid"):
    """What is known of a built engine."""

    kind: EngineKind
    version: str = Field(description="of the library that built it, and that has to load it")
    precision: Literal["fp32", "fp16"]
    runs_on: str = Field(description="the GPUs that can run it")
    file: str = Field(description="the engine's file name")
    sha256: str
    size_mib: float
    build_seconds: float
    shapes: tuple[Shape, Shape, Shape] = Field(description="least, usual and most [texts, tokens]")
    layers: int = Field(description="kernels that the builder fused the graph into; 0: it did not tell")
    layers_by_type: dict[str, int] = Field(description="layers that write each number type")
    weights_mib: float | None = Field(description="None: the builder did not tell")
    activations_mib: float | None = Field(description="at the largest shapes; None: the builder did not tell")
    checked: Literal["header", "deserialised"] = Field(
        description="header: well formed, all that can be told without a GPU; deserialised: loaded on the GPU here"
    )
