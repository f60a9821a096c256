"""Stage `report`: the measurements as JSON, Markdown, plots and one HTML page, and the artifact to ship."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.fingerprint import stated
from pipeline.pick.budget import choose, steady_artifacts
from pipeline.report.build import build_report
from pipeline.report.rows import Report, Row
from pipeline.report.trace import traced
from pipeline.report.training_logs import training_logs
from pipeline.stages.artifacts import decant_version, measured_report
from pipeline.stages.stage import Done, Made, Run, Stage

VERSION = 4


def make_report(run: Run, made: Made) -> Done:
    """The report's folder, and the report."""
    root = run.folder.root
    report = made.report = traced(_report(run, made), root)
    inputs = {
        "artifacts": made.artifacts.fingerprint, "measured": made.measured_done.fingerprint, "decant": decant_version(),
        "engines": made.engines_done.fingerprint if made.engines_done is not None else None,
        "recipe": stated(run.recipe), "notes": report.notes,
    }  # fmt: skip
    logs = training_logs(root, report.recipe)
    finished = run.make("report", VERSION, inputs, lambda folder: build_report(report, folder, logs, str(root)))
    return Done(finished, "report.html, report.md, report.json")


def _report(run: Run, made: Made) -> Report:
    """What was measured, the engines, and the choice."""
    report, built, budget = measured_report(run, made), made.built, run.recipe.budget
    chosen, because = _fastest_steady(report.rows)
    notes = list(report.notes)
    if budget is not None:
        choice = choose(report.rows, budget)
        chosen, because = choice.selected, choice.because
        notes += [choice.note] if choice.note else []
    return report.model_copy(
        update={
            "selected": chosen.name if chosen else None,
            "selected_because": because,
            "notes": (*notes, *(built.notes if built is not None else ())),
            "engines": built.engines if built is not None else (),
        }
    )


def _fastest_steady(rows: Sequence[Row]) -> tuple[Row | None, str | None]:
    """Of the deepest artifacts, since a cut costs accuracy that only a budget can weigh."""
    steady = steady_artifacts(rows)
    whole = [row for row in steady if row.layers == max(one.layers or 0 for one in steady)]
    chosen = max(whole, key=lambda row: row.texts_per_second or 0.0, default=None)
    said = "the fastest artifact whose vectors do not depend on the batch"
    nested = len({row.layers for row in steady}) > 1
    return chosen, (f"{said}, of the whole depth; a budget can pick a cut" if nested else said) if chosen else None


REPORT = Stage("report", VERSION, make_report, reads=("measure", "artifacts", "engines"))
