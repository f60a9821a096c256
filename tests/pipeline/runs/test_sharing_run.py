"""Recipes whose students share attention maps, through the command line."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from safetensors import safe_open

from decant.models.encoder import SentenceEncoder
from decant.models.similarity import cosines
from export.artifact.bundle import verify_artifact
from pipeline.fingerprint import entered
from pipeline.report.rows import read_report_json
from pipeline.stages.measured_models import EMBEDDED, SHARED_START, START
from pipeline.stages.sharing import groups_of, said_groups
from students.sharing.share_maps import share_attention
from students.sharing.sharing_settings import SharingSettings
from tests.tiny_models import tiny_encoder
from tests.tiny_runs import Models, SmokeRun, decant, nested_recipe, pairs, read_log, write_project, write_tsv

pytestmark = pytest.mark.smoke


def two_stage_recipe(models: Models) -> dict[str, Any]:
    """Vectors and block ends first, then labelled pairs; not nested, so that the whole is exported alone."""
    recipe = nested_recipe(models, labelled=True) | {"name": "shared"}
    recipe["student"] = {key: recipe["student"][key] for key in ("model", "form", "epochs", "batch_size", "precision")}
    recipe["student"] |= {"max_length": 64, "sharing": {"threshold": -1, "free_first": 0, "match_heads": False}}
    recipe["embedding"] |= {"states": {"kind": "blocks"}, "teachers": [{"model": str(models.encoder)}]}
    del recipe["embedding"]["mine"], recipe["embedding"]["augment"]
    recipe["export"] |= {"precisions": ["fp32"], "cuts": []}
    return recipe


@pytest.fixture(scope="module")
def shared_run(models: Models, tmp_path_factory: pytest.TempPathFactory) -> SmokeRun:
    folder = tmp_path_factory.mktemp("shared")
    recipe = write_project(folder, two_stage_recipe(models))
    return SmokeRun(recipe, folder / "run", decant("run", recipe, "--out", folder / "run"))


def softmaxes(artifact: Path) -> int:
    nodes = onnx.load(artifact / "onnx" / "model.onnx").graph.node
    return sum(node.op_type == "Softmax" for node in nodes)


def layers_with_maps(artifact: Path) -> set[int]:
    """Numbers of the layers that have queries and keys."""
    with safe_open(artifact / "model.safetensors", "pt") as stored:
        there = [name for name in stored.keys() if stored.get_slice(name).get_shape()[0]]  # noqa: SIM118
    found = [re.search(r"layer\.(\d+)\..*(?:query|key)\.", name) for name in there]
    return {int(one[1]) for one in found if one is not None}


def test_the_artifact_skips_what_is_shared(shared_run: SmokeRun) -> None:
    assert shared_run.said.code == 0, shared_run.said.err
    assert shared_run.said.err.count("maps shared by layers 0–1") == 2, "at embed, and at student"
    assert softmaxes(shared_run.artifact) == 2
    assert layers_with_maps(shared_run.artifact) == {0, 2}
    assert not verify_artifact(shared_run.artifact).sentence_transformers
    assert "Layers 0–1, counted from 0, compute one attention map" in (shared_run.artifact / "README.md").read_text()
    graded = write_tsv(shared_run.folder.parent / "graded.tsv", pairs("regression", 12, 5))
    said = decant("eval", shared_run.artifact, "--pairs", graded)
    assert said.code == 0, said.err
    assert decant("verify", shared_run.artifact).code == 0


def test_the_report_says_what_sharing_cost_and_what_training_gave_back(shared_run: SmokeRun, models: Models) -> None:
    report = read_report_json(shared_run.folder / "report" / "report.json")
    said = {row.name: row.sharing for row in report.rows}
    assert said == {
        "teacher": None, START: None, SHARED_START: "0–1", "bag of words": None, EMBEDDED: "0–1", "student": "0–1",
        "L3xD32-fp32": "0–1",
    }  # fmt: skip
    saved = report.row(START).parameters - report.row(SHARED_START).parameters
    assert saved == 2 * (32 * 32 + 32)
    start = SentenceEncoder.load(models.encoder, 64)
    lines = (shared_run.recipe.parent / "test.tsv").read_text(encoding="utf-8").splitlines()[1:]
    rows = [line.split("\t") for line in lines]
    vectors = share_attention(start, [[0, 1]]).encode([text for row in rows for text in row[:2]])
    expected = np.corrcoef(cosines(vectors[::2], vectors[1::2]), [float(row[2]) for row in rows])[0, 1]
    assert report.row(SHARED_START).metrics["shared/test"].pearson == pytest.approx(expected, abs=1e-5)


def test_a_finished_run_is_reused_and_a_wrong_grouping_is_told_before_any_work(shared_run: SmokeRun) -> None:
    before = len(read_log(shared_run.folder))
    again = decant("run", shared_run.recipe, "--out", shared_run.folder)
    assert again.code == 0, again.err
    assert [line["stage"] for line in read_log(shared_run.folder)[before:] if line["event"] == "begun"] == []
    for groups, code in (("[[1, 2]]", 0), ("[[1, 3]]", 2)):
        changed = f"student.sharing={{groups: {groups}}}"
        planned = decant("plan", shared_run.recipe, "--out", shared_run.folder, "--set", changed)
        assert planned.code == code, planned.err
        assert ("[1, 3] names layer 3, but the model has 3 (0..2)" in planned.err) == (code == 2)


def test_what_fingerprints_state() -> None:
    assert entered({"sharing": None}) == {}, "so that students that share nothing are not made again"
    one, other = (SharingSettings.model_validate({"groups": groups}) for groups in ([[0, 1]], [[1, 2]]))
    assert entered({"sharing": one}) != entered({"sharing": other})


def test_groups_of_a_folder_and_its_cuts(tmp_path: Path) -> None:
    share_attention(tiny_encoder(), [[0, 1], [2, 3]]).save(tmp_path)
    assert [said_groups(groups_of(tmp_path, layers)) for layers in (None, 3, 2, 1)] == ["0–1 | 2–3", "0–1", "0–1", None]
