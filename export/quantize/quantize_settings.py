"""How graphs are quantized, as it stands in a recipe under `export`; nothing of onnx is loaded."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from export.quantize.scaled_weights import EIGHT_BITS, SEVEN_BITS

TablePrecision = Literal["int4", "int8", "fp32"]
MinCosine = Annotated[
    float | None,
    Field(
        ge=0,
        le=1,
        description="Least mean cosine to the float32 vectors of the calibration texts; the most sensitive products "
        "stay in float32 until it is reached; default: none does.",
    ),
]


class IntegerSettings(BaseModel, frozen=True, extra="forbid"):
    """What the ways to int8 whose activations are quantized by the graph itself have in common."""

    seven_bits: bool = Field(
        default=True,
        description="Weights in 7 of their 8 bits: no product overflows on a CPU without VNNI; as fast.",
    )
    tables: TablePrecision = Field(
        default="int8", description="The token, position and type tables; int4 has a scale a block, not a row."
    )

    @property
    def largest(self) -> int:
        """Of a weight's codes."""
        return SEVEN_BITS if self.seven_bits else EIGHT_BITS


class RowQuantizeSettings(IntegerSettings, frozen=True, extra="forbid"):
    """What of a graph becomes int8."""

    outliers: int = Field(
        default=0,
        ge=0,
        description="Columns of each activation that are multiplied in float32: the largest in the calibration texts.",
    )
    min_cosine: MinCosine = None


class StaticQuantizeSettings(IntegerSettings, frozen=True, extra="forbid"):
    """How activations are fitted into 8 bits."""

    outliers: int = Field(
        default=2,
        ge=0,
        le=64,
        description="Columns of an activation, those of its largest values, that are multiplied in float32 where "
        "that leaves less than half of the error.",
    )
    percentiles: tuple[Annotated[float, Field(ge=90, le=100)], ...] = Field(
        default=(99.99, 100),
        min_length=1,
        description="Percentiles of an activation's values that its range may hold, 100 being all; the best is taken.",
    )
    min_cosine: MinCosine = None


class BlockQuantizeSettings(BaseModel, frozen=True, extra="forbid"):
    """How weights are rounded and multiplied."""

    block: Literal[16, 32, 64, 128, 256] = Field(default=32, description="Weights of a column that share a scale.")
    accuracy_level: Literal[1, 4] = Field(
        default=4, description="Of MatMulNBits: 1 multiplies in float32, 4 in int8 with a scale a block of a token row."
    )
    rounding: Literal["nearest", "gptq"] = Field(
        default="gptq", description="gptq makes up for each weight's error in the next ones, on the calibration texts."
    )
    damping: float = Field(default=0.01, gt=0, le=1, description="gptq: share of the mean square of the activations.")
    tables: TablePrecision | None = Field(
        default=None, description="The token, position and type tables; default: in as many bits as the weights."
    )


class CalibrationSettings(BaseModel, frozen=True, extra="forbid"):
    """The texts that quantization is fitted to."""

    texts: int = Field(
        default=256, ge=1, le=100_000, description="Texts, spread evenly over those that the student learned from."
    )
