"""The vectors that a graph may give, and the names of its outputs."""

from __future__ import annotations

from typing import Literal

SmallVector = Literal["int8", "binary"]
VectorKind = Literal["float32", "int8", "binary"]
WHOLE = "sentence_embedding"
OUTPUTS: dict[SmallVector, str] = {"int8": f"{WHOLE}_int8", "binary": f"{WHOLE}_binary"}
