"""What a measuring of candidate and deployed artifact might have found."""

from __future__ import annotations

from pipeline.registry.records import Timed, Today


def timed(accuracy: float = 0.8, latency_ms: float = 2.0, size_mib: float = 50.0) -> Timed:
    ci95 = (accuracy - 0.01, accuracy + 0.01)
    return Timed(accuracy=accuracy, ci95=ci95, latency_ms=latency_ms, texts_per_second=100.0, size_mib=size_mib)


def today(candidate: Timed, deployed: Timed | None = None, low: float = 0.0, high: float = 0.0) -> Today:
    difference = {"difference": (low + high) / 2, "difference_low": low, "difference_high": high}
    return Today(
        pairs_file="today.tsv", pairs_sha256="00", pairs=1000, metric="spearman", candidate=candidate,
        deployed=deployed, level=0.95, machine="a machine", **(difference if deployed is not None else {}),
    )  # fmt: skip
