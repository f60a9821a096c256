"""A recipe of sentences and an embedding teacher alone: no pair, no label."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml

from export.artifact.manifest import verify_artifact
from pipeline.measure.agreement import LEAST_TEXTS
from pipeline.report.rows import read_report_json
from tests.tiny_runs import FAST, OPTIMISATION, SPEED, Models, SmokeRun, decant, pairs, read_log

pytestmark = pytest.mark.smoke
SET = "alone/agreement"


def alone(models: Models) -> dict[str, Any]:
    """Another teacher than the student's own start, so that there is something to agree on."""
    return {
        "name": "alone",
        "embedding": {
            "teachers": [{"model": str(models.encoder)}],
            "sentences": ["sentences.txt"],
            "encode_precision": "fp32",
            **OPTIMISATION,
        },
        "student": {"model": str(models.encoder), "form": "cosine", "layers": [0, 1], **FAST},
        "export": {"precisions": ["fp32"], "parity": {"texts": 40}},
        "measure": {"resamples": 100, "peers": False, "speed": SPEED},
    }


def written(folder: Path, recipe: dict[str, Any]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    sentences = [text for row in pairs("regression", 60, 7) for text in row[:2]]
    (folder / "sentences.txt").write_text("\n".join(sentences) + "\n", encoding="utf-8")
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe, sort_keys=False), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def run(models: Models, tmp_path_factory: pytest.TempPathFactory) -> SmokeRun:
    folder = tmp_path_factory.mktemp("alone")
    recipe = written(folder, alone(models))
    for verb in (["validate", recipe], ["plan", recipe, "--out", folder / "run"]):
        assert decant(*verb).code == 0
    return SmokeRun(recipe, folder / "run", decant("run", recipe, "--out", folder / "run"))


def test_every_row_is_measured_by_agreement_with_the_teacher(run: SmokeRun) -> None:
    assert run.said.code == 0, run.said.err
    report = read_report_json(run.folder / "report" / "report.json")
    rows = {row.name: row for row in report.rows}
    assert set(rows) == {"teacher", "start model", "bag of words", "student", "L2xD32-fp32"}
    for name, row in rows.items():
        measured = row.metrics[SET]
        assert (measured.metric, measured.texts) == ("spearman", LEAST_TEXTS)
        assert measured.examples > LEAST_TEXTS
        assert (measured.neighbour_recall is None) == (name == "bag of words")
    teacher, student, start = (rows[name].metrics[SET] for name in ("teacher", "student", "start model"))
    assert (teacher.spearman, teacher.neighbour_recall, teacher.ci95) == (pytest.approx(1), 1, pytest.approx((1, 1)))
    assert "1 by definition" in rows["teacher"].note
    assert start.spearman == pytest.approx(1, abs=1e-3)  # it is the teacher here
    assert 0 < student.neighbour_recall < 1
    assert student.ci95[0] < student.spearman < student.ci95[1]
    assert rows["L2xD32-fp32"].metrics[SET].spearman == pytest.approx(student.spearman, abs=1e-3)
    assert verify_artifact(run.artifact).metrics[SET]["spearman"] == rows["L2xD32-fp32"].metrics[SET].spearman


def test_no_training_sees_the_texts_and_no_epoch_is_chosen_on_them(run: SmokeRun) -> None:
    sets = {
        name: set(pq.read_table(run.folder / "vectors" / f"{name}.parquet").column("text").to_pylist())
        for name in ("given", "augmented", "held_back", "agreement")
    }
    assert len(sets["agreement"]) == LEAST_TEXTS
    assert sets["held_back"]
    assert not sets["agreement"] & (sets["given"] | sets["augmented"] | sets["held_back"])


def test_the_test_sets_digest_is_of_these_pairs(run: SmokeRun) -> None:
    digests = read_report_json(run.folder / "report" / "report.json").data_sha256
    assert digests["test"] not in (digests["train"], digests["dev"])  # which are both empty
    assert digests["train"] == digests["unlabelled"]


def test_it_is_called_agreement_with_the_teacher_wherever_it_is_shown(run: SmokeRun) -> None:
    assert "which is agreement with the teacher" in run.said.text
    assert "It is agreement with the teacher, without labels" in decant("report", run.folder).text
    assert "agreement with the teacher" in (run.folder / "report" / "report.html").read_text(encoding="utf-8")
    assert "agreement with the teacher" in (run.artifact / "README.md").read_text(encoding="utf-8")
    assert f"pairs of {LEAST_TEXTS} held-back texts measure agreement" in run.said.err


def test_budget_and_pick_work_on_it(run: SmokeRun, tmp_path: Path) -> None:
    assert decant("pick", run.folder, "--max-loss", 100, "--json").json()["selected"] == "L2xD32-fp32"
    assert decant("pick", run.folder, "--min-of-teacher", 1, "--json").code == 3
    folder = shutil.copytree(run.recipe.parent, tmp_path / "copy")
    again = ["run", folder / "recipe.yaml", "--out", folder / "run", "--set"]
    misses = decant(*again, "budget.min_of_teacher=1.0")
    assert misses.code == 3
    assert "budget infeasible" in misses.err
    assert decant(*again, "budget.max_loss=100", "--json").json()["selected"] == "L2xD32-fp32"


def test_its_resolved_recipe_is_the_same_recipe(run: SmokeRun, tmp_path: Path) -> None:
    folder = shutil.copytree(run.recipe.parent, tmp_path / "copy")
    shutil.copy(folder / "run" / "recipe.yaml", folder / "recipe.yaml")
    before = len(read_log(folder / "run"))
    assert decant("run", folder / "recipe.yaml", "--out", folder / "run").code == 0
    assert [line["stage"] for line in read_log(folder / "run")[before:] if line["event"] == "begun"] == []


def test_too_few_texts_are_refused(models: Models, tmp_path: Path) -> None:
    path = written(tmp_path, alone(models))
    (tmp_path / "sentences.txt").write_text("one\ntwo\nthree\n", encoding="utf-8")
    refused = decant("run", path, "--out", tmp_path / "run")
    assert refused.code == 2
    assert f"of 3 texts no {LEAST_TEXTS} can be held back to measure agreement with the teachers on" in refused.err


def test_prompts_need_a_test_set(models: Models, tmp_path: Path) -> None:
    recipe = alone(models)
    recipe["embedding"]["sentences"] = [{"path": "sentences.txt", "prompt": "query"}]
    refused = decant("validate", written(tmp_path, recipe))
    assert refused.code == 2
    assert "texts.test is missing: without it" in refused.err
