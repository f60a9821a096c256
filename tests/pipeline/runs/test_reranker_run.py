"""Recipes that make a re-ranker, through the command line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from export.artifact.reranker_folder import verify_reranker
from export.serve.rerank_session import OnnxReranker
from pipeline.report.rows import read_report_json
from pipeline.stages.measured_models import RERANKER, SERVED_RERANKER, SHARED_TEACHER, TAUGHT_RERANKER
from teachers.cross_encoders.cross_encoder import CrossEncoder
from tests.evaluated_alike import assert_evaluated_alike
from tests.tiny_runs import Models, SmokeRun, Task, decant, read_log, reranker_block, tiny_recipe, write_project

pytestmark = pytest.mark.smoke


def reranker_recipe(models: Models, task: Task = "regression", *, load: bool = True) -> dict[str, Any]:
    recipe = tiny_recipe(models, task, load=load)
    recipe["export"]["precisions"] = ["fp32"]
    return recipe | {"reranker": reranker_block()}


@pytest.fixture(scope="module")
def reranker_run(models: Models, tmp_path_factory: pytest.TempPathFactory) -> SmokeRun:
    folder = tmp_path_factory.mktemp("reranker")
    recipe = write_project(folder, reranker_recipe(models))
    return SmokeRun(recipe, folder / "run", decant("run", recipe, "--out", folder / "run"))


def test_a_run_leaves_a_reranker_and_its_rows(reranker_run: SmokeRun) -> None:
    assert reranker_run.said.code == 0, reranker_run.said.err
    assert "maps shared by layers 0–1" in reranker_run.said.err
    artifact = reranker_run.folder / "artifacts" / "reranker"
    report = read_report_json(reranker_run.folder / "report" / "report.json")
    rows = {row.name: row for row in report.rows}
    for name in (SHARED_TEACHER, TAUGHT_RERANKER, RERANKER, SERVED_RERANKER):
        assert rows[name].sharing == "0–1"
        assert rows[name].metrics["tiny-regression/test"].metric == "spearman"
    assert rows["teacher"].parameters - rows[RERANKER].parameters == 2 * (32 * 32 + 32)
    assert rows[SERVED_RERANKER].pairs_per_second > 0
    assert (reranker_run.folder / rows[SERVED_RERANKER].path) == artifact
    assert report.selected == "L3xD32-fp32", "a re-ranker is no encoder to ship"
    manifest = verify_reranker(artifact)
    assert manifest.metrics["tiny-regression/test"] == rows[SERVED_RERANKER].metrics["tiny-regression/test"].model_dump(
        mode="json"
    )
    assert manifest.largest_difference < 1e-4
    nodes = onnx.load(artifact / "onnx" / "model.onnx").graph.node
    assert sum(node.op_type == "Softmax" for node in nodes) == manifest.maps == 2
    pairs = [("a cat", "the dog"), ("man in house", "river")]
    torch_scores = CrossEncoder.load(reranker_run.folder / "reranker", (1,)).score(pairs)
    np.testing.assert_allclose(OnnxReranker(artifact).score(pairs), torch_scores, atol=1e-5)


def test_the_cards_snippet_runs(reranker_run: SmokeRun) -> None:
    artifact = reranker_run.folder / "artifacts" / "reranker"
    snippet = (artifact / "README.md").read_text(encoding="utf-8").split("```python\n")[1].split("```")[0]
    done = subprocess.run([sys.executable, "-c", snippet], cwd=artifact, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 2


def test_eval_gives_the_rows_figures(reranker_run: SmokeRun) -> None:
    report = read_report_json(reranker_run.folder / "report" / "report.json")
    measured = report.row(SERVED_RERANKER).metrics["tiny-regression/test"]
    file = reranker_run.recipe.parent / "test.tsv"
    assert_evaluated_alike(reranker_run.folder / "artifacts" / "reranker", file, measured)


def test_commands_know_what_it_is(reranker_run: SmokeRun) -> None:
    artifact = reranker_run.folder / "artifacts" / "reranker"
    assert "its graph scores pairs" in decant("verify", artifact).text
    refused = decant("bundle", artifact, "--for", "ort", "--out", reranker_run.folder.parent / "served")
    assert refused.code == 2
    assert "is a re-ranker, which scores pairs and gives no vectors" in refused.err


def test_a_finished_reranker_is_reused(reranker_run: SmokeRun) -> None:
    before = len(read_log(reranker_run.folder))
    planned = decant("plan", reranker_run.recipe, "--out", reranker_run.folder, "--json")
    assert [one["state"] for one in planned.json() if one["stage"] == "reranker"] == ["done"]
    assert decant("run", reranker_run.recipe, "--out", reranker_run.folder).code == 0
    assert [line["stage"] for line in read_log(reranker_run.folder)[before:] if line["event"] == "begun"] == []


def test_classes_and_a_fine_tuned_teacher(models: Models, tmp_path: Path) -> None:
    recipe = reranker_recipe(models, "multiclass", load=False)
    recipe["reranker"]["sharing"] = {"threshold": -1, "free_first": 0, "free_last": 0, "head_scale": True}
    done = decant("run", write_project(tmp_path, recipe), "--out", tmp_path / "run")
    assert done.code == 0, done.err
    artifact = tmp_path / "run" / "artifacts" / "reranker"
    assert verify_reranker(artifact).outputs == 3
    report = read_report_json(tmp_path / "run" / "report" / "report.json")
    measured = report.row(SERVED_RERANKER).metrics["tiny-multiclass/test"]
    assert len(measured.classes) == 3
    assert_evaluated_alike(artifact, tmp_path / "test.tsv", measured)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"sharing": {"groups": [[1, 3]]}}, "reranker.sharing: groups: [1, 3] names layer 3"),
        ({"dims": [8]}, "reranker.dims: no such key"),
        ({"nesting": {"kind": "grid"}}, "reranker.nesting: no such key"),
    ],
)
def test_what_a_reranker_cannot_have(change: dict[str, Any], said: str, models: Models, tmp_path: Path) -> None:
    recipe = reranker_recipe(models)
    recipe["reranker"] |= change
    refused = decant("validate", write_project(tmp_path, recipe))
    assert refused.code == 2
    assert said in refused.err


def test_it_needs_a_cross_encoder(models: Models, tmp_path: Path) -> None:
    recipe = reranker_recipe(models)
    del recipe["teacher"]
    recipe["embedding"] = {"teachers": [{"model": str(models.encoder)}]}
    refused = decant("validate", write_project(tmp_path, recipe))
    assert refused.code == 2
    assert "reranker: it is made of the recipe's cross-encoder, but there is none" in refused.err
