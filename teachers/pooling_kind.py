"""The names of the poolings, for those who read a manifest without loading torch."""

from __future__ import annotations

from typing import Literal

PoolingKind = Literal["mean", "cls", "concat_top_mean"]
