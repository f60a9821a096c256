"""Candidate and deployed artifact on the day's pairs: accuracy on the same resamples, speed in turns."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch

from export.manifest import sha256_of
from export.session import OnnxEncoder
from pipeline.artifact_commands import read_labelled, score_pairs
from pipeline.measure.bootstrap import paired_difference, percentile_interval
from pipeline.measure.evaluate import Judged, judge
from pipeline.measure.size import size_mib
from pipeline.measure.speed import measure_speed
from pipeline.registry.records import Timed, Today
from pipeline.registry.settings import PromotionSettings
from pipeline.report.environment import cpu
from teachers.cores import usable_cores
from teachers.errors import GateError

CANDIDATE, DEPLOYED = "candidate", "deployed"


def measure_today(candidate: Path, deployed: Path | None, pairs_file: Path, settings: PromotionSettings) -> Today:
    """Measure one artifact, and the deployed one beside it, on a file of labelled pairs.

    Args:
        candidate: a verified artifact folder.
        deployed: another; None: nothing is deployed yet.
        pairs_file: the day's evaluation data.
        settings: metric, resamples, interval, columns and what is timed.

    Raises:
        GateError: the candidate's scores are not finite.
        InputError: the file cannot be read, or an artifact gives no score a pair.
    """
    threads = settings.speed.threads or usable_cores()
    torch.set_num_threads(threads)
    columns = settings.columns
    pairs, labels, name = read_labelled(pairs_file, columns.first, columns.second, columns.label)
    folders = {CANDIDATE: candidate} | ({DEPLOYED: deployed} if deployed is not None else {})
    encoders = {role: OnnxEncoder(folder, threads) for role, folder in folders.items()}
    scores = {role: score_pairs(encoders[role], folder, pairs, threads) for role, folder in folders.items()}
    lost = int(np.sum(~np.isfinite(scores[CANDIDATE])))
    if lost:
        raise GateError(f"the scores of {lost} of {len(pairs)} pairs are not finite")
    judged = {
        role: judge("regression", labels, found, metric=settings.metric, resamples=settings.resamples)
        for role, found in scores.items()
    }
    texts = list(dict.fromkeys(text for pair in pairs for text in pair))
    speeds = measure_speed({role: encoder.encode for role, encoder in encoders.items()}, texts, {}, [], settings.speed)
    timed = {
        role: Timed(
            accuracy=judged[role].value, ci95=percentile_interval(judged[role].samples),
            latency_ms=speeds[role].latency_ms["1"].p50, texts_per_second=speeds[role].texts_per_second or 0.0,
            size_mib=size_mib(folder / "onnx"),
        )
        for role, folder in folders.items()
    }  # fmt: skip
    processor, features = cpu()
    said = f" ({', '.join(features)})" if features else ""
    return Today(
        pairs_file=Path(name).name, pairs_sha256=sha256_of(pairs_file), pairs=len(pairs), metric=settings.metric,
        candidate=timed[CANDIDATE], deployed=timed.get(DEPLOYED), level=settings.level,
        machine=f"{processor}{said}; {threads} threads", **_difference(judged, settings.level),
    )  # fmt: skip


def _difference(judged: Mapping[str, Judged], level: float) -> dict[str, float]:
    candidate, deployed = judged[CANDIDATE], judged.get(DEPLOYED)
    if deployed is None:
        return {}
    found = paired_difference(candidate.samples, deployed.samples, level)
    return {"difference": found.mean, "difference_low": found.low, "difference_high": found.high}
