"""`decant eval` on a run's test file, held to the row of its report."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.measure.set_metrics import SetMetrics
from tests.tiny_runs import CLASSES, decant


def assert_evaluated_alike(artifact: Path, file: Path, measured: SetMetrics, *options: object) -> None:
    """`decant eval` gives every figure of the report's row."""
    said = decant("eval", artifact, "--pairs", file, "--resamples", 100, "--json", *options)
    assert said.code == 0, said.err
    found = said.json()
    stated = measured.model_dump(mode="json", exclude={"examples", "of_teacher", "of_student", "difference_to_teacher"})
    classes = stated.pop("classes", [])
    for one, name in zip(classes, CLASSES, strict=False):
        assert {"name": name, **one} in found["classes"]
    assert {key: found[key] for key in stated if key not in ("ci95", "metric")} == pytest.approx(
        {key: value for key, value in stated.items() if key not in ("ci95", "metric")}, abs=1e-6
    )
    assert found["metric"] == measured.metric
    assert found["ci95"] == pytest.approx(list(measured.ci95), abs=1e-6)
    assert found["pairs"] == measured.examples
