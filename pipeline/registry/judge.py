"""Candidate and deployed artifact on the day's data: accuracy on the same resamples, speed in turns."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from decant.training.cores import usable_cores
from export.serve.open_encoder import open_on_cpu, served_files
from pipeline.measure.bootstrap import paired_difference, percentile_interval
from pipeline.measure.size import size_mib
from pipeline.measure.speed import measure_speed
from pipeline.registry.evaluation import Figures, evaluation_of
from pipeline.registry.records import Timed, Today
from pipeline.registry.settings import PromotionSettings
from pipeline.report.machine import cpu

CANDIDATE, DEPLOYED = "candidate", "deployed"


def measure_today(candidate: Path, deployed: Path | None, pairs_file: Path, settings: PromotionSettings) -> Today:
    """Measure one artifact, and the deployed one beside it, on the day's evaluation data.

    Args:
        candidate: a verified artifact folder.
        deployed: another; None: nothing is deployed yet.
        pairs_file: labelled pairs; of retrieval, a folder in BEIR's layout.
        settings: task, metric, resamples, interval, columns and what is timed.

    Raises:
        GateError: an artifact's scores are not finite.
        InputError: the data cannot be read, or an artifact is of another task.
    """
    threads = settings.speed.threads or usable_cores()
    evaluation = evaluation_of(pairs_file, settings, threads)
    folders = {CANDIDATE: candidate} | ({DEPLOYED: deployed} if deployed is not None else {})
    encoders = {role: open_on_cpu(folder, threads) for role, folder in folders.items()}
    judged = {role: evaluation.judge(encoders[role], folder) for role, folder in folders.items()}
    speeds = measure_speed(
        {role: encoder.encode for role, encoder in encoders.items()}, evaluation.texts, {}, [], settings.speed
    )
    timed = {
        role: Timed(
            accuracy=judged[role].value, ci95=percentile_interval(judged[role].samples),
            latency_ms=speeds[role].latency_ms["1"].p50, texts_per_second=speeds[role].texts_per_second or 0.0,
            size_mib=size_mib(served_files(folder)), unsteady=speeds[role].unsteady("latency_ms.1"),
        )
        for role, folder in folders.items()
    }  # fmt: skip
    processor, features = cpu()
    said = f" ({', '.join(features)})" if features else ""
    return Today(
        pairs_file=evaluation.name, pairs_sha256=evaluation.sha256, pairs=evaluation.examples, metric=evaluation.metric,
        counted=evaluation.counted,
        candidate=timed[CANDIDATE], deployed=timed.get(DEPLOYED), level=settings.level,
        machine=f"{processor}{said}; {threads} threads", **_difference(judged, settings.level),
    )  # fmt: skip


def _difference(judged: Mapping[str, Figures], level: float) -> dict[str, float]:
    candidate, deployed = judged[CANDIDATE], judged.get(DEPLOYED)
    if deployed is None:
        return {}
    found = paired_difference(candidate.samples, deployed.samples, level)
    return {"difference": found.mean, "difference_low": found.low, "difference_high": found.high}
