"""A recipe whose student shares attention maps, through the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import onnx
import pytest
from safetensors import safe_open

from export.bundle import verify_artifact
from pipeline.report.rows import read_report_json
from pipeline.stages.candidates import SHARED_START, START
from tests.tiny_runs import Models, SmokeRun, decant, nested_recipe, pairs, tiny_recipe, write_project, write_tsv

WRITTEN = {"groups": [[0, 1], [2]]}
ARTIFACTS = {"L3xD32": "0–2", "L2xD32": "0–1", "L1xD8": None}


def two_stage_recipe(models: Models, sharing: dict[str, Any]) -> dict[str, Any]:
    """Vectors and block ends first, then labelled pairs; not nested, so the whole is exported alone."""
    recipe = nested_recipe(models, labelled=True) | {"name": "shared"}
    recipe["student"] |= {"sharing": sharing}
    recipe["student"] = {key: recipe["student"][key] for key in recipe["student"] if key not in NESTED}
    recipe["embedding"] |= {"states": {"kind": "blocks"}, "mine": None, "augment": None}
    recipe["embedding"]["teachers"] = [{"model": str(models.encoder)}]
    recipe["export"] |= {"precisions": ["fp32", "int8-row", "int4"], "cuts": []}
    return recipe


NESTED = {"nesting", "dims", "keep", "exit_layers"}


@pytest.fixture(scope="module")
def shared_run(models: Models, tmp_path_factory: pytest.TempPathFactory) -> SmokeRun:
    folder = tmp_path_factory.mktemp("shared")
    recipe = write_project(folder, two_stage_recipe(models, {"threshold": -1, "free_first": 0, "free_last": 1}))
    return SmokeRun(recipe, folder / "run", decant("run", recipe, "--out", folder / "run"))


def softmaxes(artifact: Path) -> int:
    nodes = onnx.load(artifact / "onnx" / "model.onnx").graph.node
    return sum(node.op_type == "Softmax" for node in nodes)


def map_weights(artifact: Path) -> set[int]:
    """Numbers of the layers that have queries and keys."""
    with safe_open(artifact / "model.safetensors", "pt") as stored:
        names = [name for name in stored.keys() if ".query." in name or ".key." in name]  # noqa: SIM118
    return {int(name.split("layer.")[1].split(".")[0]) for name in names}


def test_the_artifacts_skip_what_is_shared(shared_run: SmokeRun) -> None:
    assert shared_run.said.code == 0, shared_run.said.err
    assert "maps shared by layers 0–1" in shared_run.said.err
    for precision in ("fp32", "int8-row", "int4"):
        artifact = shared_run.folder / "artifacts" / f"L3xD32-{precision}"
        assert softmaxes(artifact) == 2
        assert map_weights(artifact) == {0, 2}
        assert not verify_artifact(artifact).sentence_transformers
    graded = write_tsv(shared_run.folder.parent / "graded.tsv", pairs("regression", 12, 5))
    said = decant("eval", shared_run.artifact, "--pairs", graded)
    assert said.code == 0, said.err
    assert decant("verify", shared_run.artifact).code == 0
