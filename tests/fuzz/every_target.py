"""Every target, built in one folder."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from export.artifact.bundle import ArtifactFacts, write_artifact
from export.graphs.to_onnx import export_encoder
from tests.fuzz.artifacts import artifact_targets, model_target, static_targets
from tests.fuzz.recipes import recipe_targets
from tests.fuzz.reports import report_targets
from tests.fuzz.schedules import schedule_targets
from tests.fuzz.tables import table_targets
from tests.fuzz.target import Target
from tests.pipeline.report.conftest import some_environment, some_grid, some_mined, some_report
from tests.tiny_models import tiny_backbone_folder, tiny_encoder
from tests.tiny_runs import Models, nested_recipe, write_project

NAMES = [
    "recipe, text", "recipe, values", "--set", "recipe, preflight", "TSV", "CSV", "JSONL, bytes", "JSONL, values",
    "Parquet, bytes", "Parquet, types", "texts, a line each", "labels", "cron", "schedule", "duration", "manifest",
    "manifest, bytes", "manifest, paths", "encode", "encode, bytes", "model folder", "static student",
    "static student, bytes", "report", "report, bytes", "report, compared", "budget", "registry",
]  # fmt: skip


def every_target(place: Path) -> dict[str, Target]:
    """All targets by name; what they write and read lies in `place`, an empty folder."""
    report = some_report(some_environment()).model_copy(update={"grid": some_grid(), "mined": some_mined()})
    artifact, model = _artifact(place / "exported"), tiny_backbone_folder(place, "bert", num_hidden_layers=2)
    tiny: dict[str, Any] = nested_recipe(Models(model, {1: model}), labelled=True)
    write_project(place, tiny)
    targets = [
        *recipe_targets(place, tiny), *table_targets(place), *schedule_targets(), *artifact_targets(place, artifact),
        model_target(place, model), *static_targets(place), *report_targets(place / "runs", report),
    ]  # fmt: skip
    return {target.name: target for target in targets}


def _artifact(folder: Path) -> Path:
    encoder = tiny_encoder("bert", dim=24, max_length=64, num_hidden_layers=1)
    with tempfile.TemporaryDirectory() as scratch:
        export_encoder(encoder, Path(scratch) / "model.onnx")
        write_artifact(folder, encoder, Path(scratch) / "model.onnx", ArtifactFacts("tiny", "fp32", "# Tiny\n"))
    return folder
