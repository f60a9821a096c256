"""Stage `report`: the measurements as JSON, Markdown, plots and one HTML page."""

from __future__ import annotations

from pipeline.report.build import build_report
from pipeline.report.rows import Report
from pipeline.report.training_logs import training_logs
from pipeline.run_dir import RunDir, Stage, fingerprint
from pipeline.stages.artifacts import decant_version

VERSION = 3


def report_stage(report: Report, artifacts: Stage, engines: Stage | None, run_dir: RunDir) -> Stage:
    """The report's folder."""
    inputs: dict[str, object] = {"artifacts": artifacts.fingerprint, "decant": decant_version()}
    inputs |= {"engines": engines.fingerprint} if engines is not None else {}
    mark = fingerprint("report", VERSION, inputs)
    logs = training_logs(run_dir.root, report.recipe)
    return run_dir.make("report", mark, lambda folder: build_report(report, folder, logs, str(run_dir.root)))
