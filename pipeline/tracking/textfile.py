"""Prometheus' text format, as a file for node_exporter's textfile collector; nothing of training is loaded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Sample:
    """One value of a gauge."""

    gauge: str
    value: float
    labels: Mapping[str, str]


def states(gauge: str, every: Sequence[str], state: str, labels: Mapping[str, str]) -> list[Sample]:
    """A gauge of 1 for a state and 0 for the others."""
    return [Sample(gauge, float(one == state), {**labels, "status": one}) for one in every]


def write_textfile(path: Path, samples: Sequence[Sample], told: Mapping[str, str]) -> None:
    """Write the file at once, so that the collector never reads half of it.

    Args:
        path: ends in .prom.
        samples: in any order; those of one gauge have the same labels.
        told: every gauge and what it is.

    Raises:
        OSError: it cannot be written.
    """
    from prometheus_client import CollectorRegistry, Gauge, write_to_textfile  # what commands without it need not load

    registry, gauges = CollectorRegistry(), dict[str, Gauge]()
    for one in samples:
        if one.gauge not in gauges:
            gauges[one.gauge] = Gauge(one.gauge, told[one.gauge], list(one.labels), registry=registry)
        gauges[one.gauge].labels(**one.labels).set(one.value)
    write_to_textfile(str(path), registry)


def value_in(path: Path, gauge: str, name: str) -> float | None:
    """The value of a gauge that has this name as its only label, as a file has it; None where it does not say."""
    from prometheus_client.parser import text_string_to_metric_families

    try:
        every = [one for family in text_string_to_metric_families(path.read_text("utf-8")) for one in family.samples]
    except (OSError, ValueError, LookupError):
        return None
    return next((one.value for one in every if one.name == gauge and one.labels == {"name": name}), None)
