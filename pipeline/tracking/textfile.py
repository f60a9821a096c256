"""Prometheus' text format, as a file for node_exporter's textfile collector; nothing of training is loaded."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from decant.files import written_whole


@dataclass(frozen=True)
class Sample:
    """One value of a gauge."""

    gauge: str
    value: float
    labels: Mapping[str, str]


def states(gauge: str, every: Sequence[str], state: str, labels: Mapping[str, str]) -> list[Sample]:
    """A gauge of 1 for a state and 0 for the others."""
    return [Sample(gauge, float(one == state), {**labels, "status": one}) for one in every]


def textfile(samples: Sequence[Sample], told: Mapping[str, str]) -> str:
    """The samples of each gauge together, with what is told of it.

    Args:
        samples: in any order.
        told: every gauge and what it is.
    """
    lines = []
    for gauge, said in told.items():
        mine = [one for one in samples if one.gauge == gauge]
        if mine:
            lines += [f"# HELP {gauge} {said}", f"# TYPE {gauge} gauge"]
        for one in mine:
            labels = ",".join(f'{key}="{_escaped(value)}"' for key, value in one.labels.items())
            lines.append(f"{gauge}{{{labels}}} {one.value!r}")
    return "".join(f"{line}\n" for line in lines)


def write_textfile(path: Path, samples: Sequence[Sample], told: Mapping[str, str]) -> None:
    """Write the file at once, so that the collector never reads half of it.

    Raises:
        OSError: it cannot be written.
    """
    with written_whole(path) as written:
        written.write_text(textfile(samples, told), encoding="utf-8")


def value_in(path: Path, gauge: str, name: str) -> float | None:
    """The value of a gauge that has this name as its only label, as a file has it; None where it does not say."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    found = re.search(rf'^{gauge}{{name="{re.escape(_escaped(name))}"}} (\S+)$', text, re.MULTILINE)
    try:
        return float(found[1]) if found else None
    except ValueError:
        return None


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
