"""What the ways to int8 whose activations are quantized by the graph itself have in common."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

from export.quantize.column_weights import EIGHT_BITS, SEVEN_BITS
from export.quantize.integer_tables import TablePrecision

MinCosine = Annotated[
    float | None,
    Field(
        ge=0,
        le=1,
        description="Least mean cosine to the float32 vectors of the calibration texts: as few products as that takes "
        "stay in float32, the most sensitive ones; default: none does.",
    ),
]


class IntegerSettings(BaseModel, frozen=True, extra="forbid"):
    """What of a graph becomes int8."""

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
