"""A report with one row of every kind, its figures chosen so that ratios are easy to follow."""

from pathlib import Path

import pytest

from pipeline.measure.grid import Cell, Grid
from pipeline.measure.one_against_many import OneAgainstMany
from pipeline.measure.regressions import Regression
from pipeline.measure.set_metrics import Difference, SetMetrics
from pipeline.measure.speed import Latency, LatencyParts
from pipeline.report.machine import Environment
from pipeline.report.rows import Mined, Parity, Report, Row

TEACHER = 0.85


def metrics(value: float) -> dict[str, SetMetrics]:
    gain = value - TEACHER
    row = SetMetrics(
        metric="spearman",
        examples=1379,
        spearman=value,
        pearson=value - 0.01,
        ci95=(value - 0.02, value + 0.01),
        of_teacher=value / TEACHER,
        difference_to_teacher=Difference(mean=gain, ci95=(gain - 0.015, gain + 0.015), p=0.25) if gain else None,
    )
    return {"stsb/test": row}


def latency(milliseconds: float) -> dict[str, Latency]:
    return {"1": Latency(p50=milliseconds, p95=2 * milliseconds)}


def cost(milliseconds: float, index_seconds: float | None = None) -> OneAgainstMany:
    return OneAgainstMany(
        candidates=10_000,
        query_ms=Latency(p50=milliseconds, p95=milliseconds),
        extrapolated=index_seconds is None,
        sampled=128,
        index_seconds=index_seconds,
    )


def some_environment() -> Environment:
    return Environment(
        cpu="Some CPU", cpu_features=("avx2",), cores=2, threads=2, memory_gib=16, os="Linux", python="3.11",
        libraries={"torch": "2.13.0"},
    )  # fmt: skip


@pytest.fixture
def environment() -> Environment:
    return some_environment()


def some_grid() -> Grid:
    """Two depths and two lengths, of which the shallow short cut was not measured."""
    cells = [(6, 384, 0.88, 0.82), (6, 64, 0.86, None), (3, 384, 0.87, 0.45)]
    return Grid(
        set="stsb/test", metric="spearman", examples=1379, trained_on_labels=True,
        cells=tuple(
            Cell(layers=layers, dim=dim, value=value, ci95=(value - 0.02, value + 0.01), of_full=value / 0.88,
                 start_value=start)
            for layers, dim, value, start in cells
        ),
    )  # fmt: skip


@pytest.fixture
def grid() -> Grid:
    return some_grid()


def some_mined() -> Mined:
    """Ten labelled pairs, and thirty mined ones that fill the bins below."""
    return Mined(counts={"near": 12, "window": 10, "random": 8}, before=(0, 0, 2, 8), after=(0, 20, 10, 10))


@pytest.fixture
def mined() -> Mined:
    return some_mined()


def stand_artifacts(report: Report, run_folder: Path) -> None:
    """Files that hold nothing where the artifacts of a report have theirs."""
    for row in report.rows:
        if row.kind == "artifact":
            folder = run_folder / (row.path or f"artifacts/{row.name}")
            (folder / "onnx").mkdir(parents=True, exist_ok=True)
            (folder / "decant.json").write_text("{}", encoding="utf-8")
            (folder / "onnx" / "model.onnx").touch()


def some_report(environment: Environment) -> Report:
    artifact = Row(
        name="L6xD384-int8", kind="artifact", layers=6, dim=384, precision="int8", runtime="onnxruntime",
        path="artifacts/L6xD384-int8", parameters=22_713_216, size_mib=22.3, metrics=metrics(0.855),
        latency_ms=latency(1.3), texts_per_second=900,
        latency_parts=LatencyParts(tokenizer_ms=0.13, encoder_ms=1.04, pooling_ms=0.13),
        latency_by_tokens={"8": 1.1, "128": 4.4},
        parity=Parity(min_cosine=0.98, batch_invariance=0.98966),
        one_against_many=cost(2.1, 11.5), trained_on_labels=True,
    )  # fmt: skip
    rows = (
        artifact,
        Row(
            name="L6xD384-fp32", kind="artifact", layers=6, dim=384, precision="fp32", runtime="onnxruntime",
            size_mib=86.7, metrics=metrics(0.86), latency_ms=latency(2.7), texts_per_second=400,
            parity=Parity(min_cosine=1, batch_invariance=1, required_min_cosine=0.9999),
        ),
        Row(name="student", kind="student", precision="fp32", runtime="torch", metrics=metrics(0.86),
            latency_ms=latency(17), texts_per_second=250, form="cosine"),
        Row(name="bag of words", kind="baseline", metrics=metrics(0.65)),
        Row(name="peer", kind="baseline", precision="fp32", runtime="sentence-transformers",
            metrics=metrics(0.82), latency_ms=latency(18), texts_per_second=225, latency_by_tokens={"8": 17.0}),
        Row(name="big", kind="teacher", precision="fp32", runtime="torch", metrics=metrics(TEACHER),
            latency_ms=latency(33), pairs_per_second=30, size_mib=475, one_against_many=cost(330_000)),
    )  # fmt: skip
    return Report(
        recipe={"name": "stsb", "seed": 0},
        environment=environment,
        rows=rows,
        selected="L6xD384-int8",
        selected_because="the fastest within a point of the student",
        notes=("a note",),
        regressions=(Regression(first="one text", second="another", label=0, teacher=0.1, model=0.9),),
    )


@pytest.fixture
def report(environment: Environment) -> Report:
    return some_report(environment)
