"""What a runtime must give: the artifact's own answers, and the prompts that stand before the texts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Group:
    """Texts behind one prompt of the artifact, a runtime being told of it in its own way.

    Args:
        count: texts.
        prompt: what stands before each.
        name: the artifact's name of it; None: the default one.
    """

    count: int
    prompt: str
    name: str | None


@dataclass(frozen=True)
class Expected:
    """The artifact's own answers.

    Args:
        texts: what every runtime encodes; those of `groups` one after another.
        vectors: our own session's, each text alone, float32 [texts, dim].
        min_cosine: what a runtime's must reach.
        heeds_spaces: a text with a space before it has other tokens.
    """

    texts: list[str]
    vectors: NDArray[np.float32]
    min_cosine: float
    heeds_spaces: bool = False
    groups: tuple[Group, ...] = ()
    """How many of the texts stand behind which prompt."""
