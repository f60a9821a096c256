"""Stage `report`: the measurements as JSON, Markdown, plots and one HTML page."""

from __future__ import annotations

from pipeline.fingerprint import digest, entered, pairs_digest
from pipeline.report.build import build_report
from pipeline.report.trace import traced
from pipeline.report.training_logs import training_logs
from pipeline.stages.artifacts import decant_version
from pipeline.stages.stage import Done, Made, Run, Stage

VERSION = 3


def make_report(run: Run, made: Made) -> Done:
    """The report's folder."""
    root = run.folder.root
    made.report = traced(made.report, root)
    if run.recipe.without_labels:  # texts/ holds no test set then
        test = {"pairs": pairs_digest(made.texts.test.pairs), "labels": made.texts.test.labels}
        digests = made.report.data_sha256 | {"test": digest(entered(test))}
        made.report = made.report.model_copy(update={"data_sha256": digests})
    inputs = {
        "artifacts": made.artifacts.fingerprint, "decant": decant_version(),
        "engines": made.engines_done.fingerprint if made.engines_done is not None else None,
    }  # fmt: skip
    logs = training_logs(root, made.report.recipe)
    finished = run.make("report", VERSION, inputs, lambda folder: build_report(made.report, folder, logs, str(root)))
    return Done(finished, "report.html, report.md, report.json")


REPORT = Stage("report", VERSION, make_report, reads=("artifacts", "engines"))
