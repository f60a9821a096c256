"""Models on a whole suite: figures of every set on the same resamples, beside those of one of the models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from decant.progress import Watch
from pipeline.measure.bootstrap import RESAMPLES
from pipeline.measure.evaluate import Judged, compare
from pipeline.measure.set_metrics import SetMetrics
from pipeline.suite.judge_set import judge_set
from pipeline.suite.read_sets import LoadedSet

if TYPE_CHECKING:
    from pipeline.suite.judge_set import Encoder

SuiteFigures = dict[str, SetMetrics]
"""By set."""


def measure_suite(
    sets: Sequence[LoadedSet], encoders: Mapping[str, Encoder], watch: Watch, *, teacher: str | None = None,
    student: str | None = None, resamples: int = RESAMPLES, seed: int = 0,
) -> dict[str, SuiteFigures]:  # fmt: skip
    """Of each model, by its name, its figures on each set.

    Args:
        encoders: the models by name.
        teacher: name of the one that `of_teacher` and the difference refer to.
        student: name of the one that `of_student` refers to.

    Raises:
        InputError: a model cannot be judged by a set.
        GateError: a vector is not finite.
    """
    judged: dict[str, dict[str, Judged]] = {}
    total = sum(one.texts for one in sets)
    for name, encoder in encoders.items():
        with watch(f"suite, {name}", total) as advance:
            judged[name] = {one.name: judge_set(one, encoder, resamples, seed, advance) for one in sets}
    beside = [judged.get(role, {}) if role is not None else {} for role in (teacher, student)]
    return {
        name: {key: compare(one, *(other.get(key) for other in beside)) for key, one in figures.items()}
        for name, figures in judged.items()
    }


def suite_mean(figures: Mapping[str, SetMetrics], names: Sequence[str]) -> float | None:
    """Mean of the main figures of these sets, a fraction; None where one was not measured: a part is no mean."""
    if not names or any(name not in figures for name in names):
        return None
    return float(np.mean([figures[name].value for name in names]))
