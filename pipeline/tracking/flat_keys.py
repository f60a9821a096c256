"""A run as trackers take it, a value a key: the recipe's settings, and what the report says of its rows.

Figures are fractions, milliseconds and MiB, as in report.json.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from pydantic import JsonValue

from pipeline.report.rows import Report, Row

CHARACTERS = 500  # of a value: what MLflow servers before 2.9 take; the whole recipe is an artifact beside it


def parameters(recipe: Mapping[str, JsonValue]) -> dict[str, str]:
    """Every setting that is given or has a default, such as student.epochs → "3".

    Lists of plain values stay whole, as JSON; sections in a list are numbered from 0. What is null is left out.
    """
    return {key: value[:CHARACTERS] for key, value in _flat(dict(recipe), "").items()}


def final_figures(report: Report) -> dict[str, float]:
    """Figures of every row under rows/NAME/, and those of the artifact to ship under pick/ too."""
    found = {f"rows/{row.name}/{name}": value for row in report.rows for name, value in row_values(row).items()}
    if report.selected is not None:
        found |= {f"pick/{name}": value for name, value in row_values(report.row(report.selected)).items()}
    return found


def row_values(row: Row) -> dict[str, float]:
    """Accuracy by test set, latency by batch size, throughput, size, parity; what was not measured is left out."""
    found: dict[str, float | None] = {}
    for where, measured in row.metrics.items():
        found |= {f"{where}/{metric}": value for metric, value in measured.values.items()}
        found |= {f"{where}/ci95_low": measured.ci95[0], f"{where}/ci95_high": measured.ci95[1]}
        found[f"{where}/of_teacher"] = measured.of_teacher
    for size, latency in row.latency_ms.items():
        found |= {f"latency_ms/{size}/p50": latency.p50, f"latency_ms/{size}/p95": latency.p95}
    found |= {
        "texts_per_second": row.texts_per_second, "pairs_per_second": row.pairs_per_second,
        "size_mib": row.size_mib, "parameters": row.parameters, "peak_memory_mib": row.peak_memory_mib,
    }  # fmt: skip
    if row.parity is not None:
        found |= {"min_cosine": row.parity.min_cosine, "batch_invariance": row.parity.batch_invariance}
    return {name: float(value) for name, value in found.items() if value is not None}


def _flat(value: JsonValue, key: str) -> dict[str, str]:
    if isinstance(value, dict):
        inside = [_flat(one, f"{key}.{name}" if key else name) for name, one in value.items()]
    elif isinstance(value, list) and any(isinstance(one, dict) for one in value):
        inside = [_flat(one, f"{key}.{index}") for index, one in enumerate(value)]
    elif value is None or value == [] or value == "":
        inside = []
    else:
        inside = [{key: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}]
    return {name: one for part in inside for name, one in part.items()}
