"""Stage `report`: the measurements as JSON, Markdown, plots and one HTML page, and the artifact to ship."""

from __future__ import annotations

from pipeline.fingerprint import digest, entered, pairs_digest, stated
from pipeline.pick.shipped import shipped
from pipeline.report.build import build_report
from pipeline.report.rows import Report
from pipeline.report.trace import traced
from pipeline.report.training_logs import training_logs
from pipeline.stages.artifacts import decant_version
from pipeline.stages.stage import Done, Made, Run, Stage

VERSION = 4


def make_report(run: Run, made: Made) -> Done:
    """The report's folder, and the report."""
    root = run.folder.root
    report = traced(_report(run, made), root)
    if run.recipe.without_labels:  # texts/ holds no test set then
        test = {"pairs": pairs_digest(made.texts.test.pairs), "labels": made.texts.test.labels}
        digests = report.data_sha256 | {"test": digest(entered(test))}
        report = report.model_copy(update={"data_sha256": digests})
    made.report = report
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
    report, built = made.report, made.built
    choice = shipped(report.rows, run.recipe.budget)
    notes = [*report.notes, *([choice.note] if choice.note else [])]
    return report.model_copy(
        update={
            "selected": choice.selected.name if choice.selected else None,
            "selected_because": choice.because,
            "notes": (*notes, *(built.notes if built is not None else ())),
            "engines": built.engines if built is not None else (),
        }
    )


REPORT = Stage("report", VERSION, make_report, reads=("measure", "artifacts", "engines"))
