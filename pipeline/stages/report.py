"""Stage `report`: the measurements as JSON, Markdown, plots and one HTML page."""

from __future__ import annotations

import csv
from pathlib import Path

from pipeline.report.build import build_report
from pipeline.report.rows import Report
from pipeline.report.training_plot import TrainingRecord
from pipeline.run_dir import RunDir, Stage, fingerprint
from pipeline.stages.artifacts import decant_version
from pipeline.stages.student import TRAINING_LOG

VERSION = 2


def report_stage(report: Report, student: Stage, artifacts: Stage, engines: Stage | None, run_dir: RunDir) -> Stage:
    """The report's folder."""
    inputs: dict[str, object] = {"artifacts": artifacts.fingerprint, "decant": decant_version()}
    inputs |= {"engines": engines.fingerprint} if engines is not None else {}
    mark = fingerprint("report", VERSION, inputs)
    training = read_training(student.folder / TRAINING_LOG)
    return run_dir.make("report", mark, lambda folder: build_report(report, folder, training))


def read_training(path: Path) -> list[TrainingRecord]:
    """What Lightning's CSV logger wrote of loss and dev metric; nothing where there is no log."""
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return [
        TrainingRecord(
            step=int(row["step"]),
            loss=float(row["loss"]) if row.get("loss") else None,
            dev=float(row["dev"]) if row.get("dev") else None,
        )
        for row in rows
    ]
