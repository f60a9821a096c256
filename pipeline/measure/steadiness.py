"""Whether a timed figure can be trusted: what others did meanwhile, and how far calls for the same work differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

import numpy as np
from pydantic import BaseModel, Field

from pipeline.measure.set_metrics import IfMeasured

# Beyond one of these a figure is marked, and no headline tells a ratio of it.
BUSY = 0.1  # of the cores: two runtimes that use their threads differently then lose different shares of their speed
SPREAD = 0.25  # of the median: a quiet machine stays below 0.1; beyond a quarter, the median is that of a shared one
DRIFT = 0.1  # a ratio of two such medians could be wrong in its second digit, which is shown
FEWEST = 3  # rounds: two tell nothing of a spread
SHORT = 2e-4  # seconds: shorter calls are judged as if they took this long, since to wake a thread takes as much


class Steadiness(BaseModel, frozen=True, extra="forbid"):
    """How steady the rounds of one figure were."""

    rounds: int = Field(ge=1, description="timed calls, those that were added included")
    spread: IfMeasured[float] = Field(
        default=None, description="between the quartiles, as a share of the median of the same work"
    )
    drift: IfMeasured[float] = Field(
        default=None, description="between the medians of the first and of the second half, likewise"
    )
    busy: IfMeasured[float] = Field(
        default=None, description="share of the cores that others kept busy meanwhile, 0..1"
    )

    @property
    def agree(self) -> bool:
        """Whether the rounds agree; more of them may help where they do not."""
        return (self.spread or 0.0) <= SPREAD and (self.drift or 0.0) <= DRIFT

    @property
    def steady(self) -> bool:
        """Whether the figure can be trusted; what is not known counts as well."""
        return self.agree and (self.busy or 0.0) <= BUSY


Steadinesses = Annotated[
    dict[str, Steadiness],
    Field(exclude_if=lambda found: not found, description="of figures beside it, such as latency_ms.1"),
]
"""A field of a model beside the figures; use as `steadiness: Steadinesses = {}`."""


def doubted(found: Mapping[str, Steadiness], figure: str) -> bool:
    """Whether a figure is known not to be steady."""
    return figure in found and not found[figure].steady


def steadiness(seconds: Sequence[float], period: int, busy: float | None = None) -> Steadiness:
    """Judge the rounds of one figure.

    Texts differ in length, so each call is compared with the others for the same texts alone.

    Args:
        seconds: of each call, [rounds], at least one.
        period: call i did the same work as call i + period.
        busy: share of the cores that others kept busy.
    """
    passes = len(seconds) // period
    if len(seconds) < FEWEST or passes < 2:
        return Steadiness(rounds=len(seconds), busy=busy)
    same_work = np.asarray(seconds[: passes * period]).reshape(passes, period)
    medians = np.median(same_work, axis=0)
    relative = (same_work - medians) / np.maximum(medians, SHORT)
    low, high = np.percentile(relative, [25, 75])
    halves = np.median(relative[: passes // 2]), np.median(relative[-(passes // 2) :])
    drift = round(float(abs(halves[1] - halves[0])), 4)
    return Steadiness(rounds=len(seconds), spread=round(float(high - low), 4), drift=drift, busy=busy)
