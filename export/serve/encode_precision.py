"""The precisions that teachers' vectors are computed in, for those who read a recipe without loading torch."""

from __future__ import annotations

from typing import Literal

EncodePrecision = Literal["auto", "fp32", "bf16"]
