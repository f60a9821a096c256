"""The names of the poolings, for those who read a manifest without loading torch."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator

MODES = ("cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken")
"""Those of sentence-transformers, in the order in which it puts several of them side by side."""
CONCAT_TOP_MEAN = "concat_top_mean"


def check_pooling_kind(kind: str) -> str:
    """A pooling by its name, or several of `MODES` joined by +, whose vectors stand side by side.

    Raises:
        ValueError: there is no such pooling, or one of several is named twice.
    """
    modes = kind.split("+")
    if kind != CONCAT_TOP_MEAN and (set(modes) - set(MODES) or len(set(modes)) < len(modes)):
        raise ValueError(f"{kind!r} is no pooling; {', '.join(MODES)}, several of them joined by +, or concat_top_mean")
    return kind


PoolingKind = Annotated[str, AfterValidator(check_pooling_kind)]


def pooling_modes(kind: PoolingKind) -> tuple[str, ...]:
    """What a pooling puts side by side."""
    return tuple(kind.split("+"))
