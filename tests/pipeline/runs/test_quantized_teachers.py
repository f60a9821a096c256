"""Teachers that are quantized for labelling: what stands in the run, and that no cache takes one for the other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from decant.models.encoder import SentenceEncoder
from decant.models.quantized import quantized_kind
from pipeline.fingerprint import stated
from pipeline.preflight.preflight import preflight_errors
from pipeline.recipe.recipe import Recipe, load_recipe
from pipeline.report.rows import read_report_json
from pipeline.run_dir import RunDir
from pipeline.stages import targets
from pipeline.stages.measured_models import TEACHER, candidates
from pipeline.stages.stage import Made, Run
from pipeline.stages.targets import TARGETS, PairTargets
from pipeline.stages.teacher import TEACHER as TEACHER_STAGE
from pipeline.stages.texts import TEXTS
from pipeline.stages.vectors import VECTORS
from students.pair_student import Student
from teachers.cross_encoders.cross_encoder import CrossEncoder
from tests.bnb_extra import needs_bitsandbytes, needs_peft
from tests.made_stages import made_by
from tests.tiny_models import tiny_backbone_folder
from tests.tiny_runs import Models, decant, nested_recipe, tiny_recipe, write_project


def scored(folder: Path, models: Models, *overrides: str) -> tuple[Recipe, PairTargets]:
    path = folder / "recipe.yaml" if (folder / "recipe.yaml").exists() else write_project(folder, tiny_recipe(models))
    recipe = load_recipe(path, overrides)
    made = made_by(recipe, folder, TEXTS, TEACHER_STAGE, TARGETS)
    assert made.pair_targets is not None
    return recipe, made.pair_targets


@needs_bitsandbytes
def test_labels_are_those_of_the_quantized_cross_encoder(
    models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(targets, "EXPORT_PAIRS", 1)  # the float teacher goes through onnxruntime here
    monkeypatch.setattr(targets, "encoding_precision", lambda asked: "fp32")
    _, whole = scored(tmp_path, models)
    recipe, found = scored(tmp_path, models, "teacher.quantize=nf4")
    assert found.teacher.fingerprint != whole.teacher.fingerprint
    assert {path.name[-5:] for path in (tmp_path / "run/targets/shards").iterdir()} == {"-fp32"}
    model = CrossEncoder.load(models.teachers[1], (1,), quantize="nf4")
    texts = made_by(recipe, tmp_path, TEXTS).texts
    expected = model.score(texts.train.pairs)[:, None]
    np.testing.assert_allclose(found.logits, expected, atol=1e-5)
    assert np.abs(found.logits - whole.logits).max() > 1e-3


@needs_bitsandbytes
def test_vectors_are_those_of_the_quantized_encoder(models: Models, tmp_path: Path) -> None:
    content = nested_recipe(models, labelled=True)
    content["embedding"] |= {"teachers": [{"model": str(models.encoder)}], "states": None, "mine": None}
    path = write_project(tmp_path, content | {"embedding": content["embedding"] | {"encode_precision": "fp32"}})
    run_dir, vectors = RunDir(tmp_path / "run"), {}
    for kind in ("null", "int8"):
        recipe = load_recipe(path, [f"embedding.teachers=[{{model: {models.encoder}, quantize: {kind}}}]"])
        made = made_by(recipe, tmp_path, TEXTS, VECTORS)
        vector_targets = made.vector_targets
        assert vector_targets is not None
        vectors[kind] = vector_targets.vectors(vector_targets.texts[:4]).take(np.arange(4))
        assert vector_targets.teachers[0][0] == (
            models.encoder if kind == "null" else run_dir.folder("embedding/teacher0")
        )
    reference = SentenceEncoder.load(models.encoder, quantize="int8").encode(vector_targets.texts[:4])
    # float16 on disk, and outliers are those of another batch
    np.testing.assert_allclose(vectors["int8"], reference, atol=5e-3)
    np.testing.assert_allclose(vector_targets.encoder()(vector_targets.texts[:4]), reference, atol=1e-6)
    assert np.abs(vectors["int8"] - vectors["null"]).max() > 1e-3
    facts = next(one.facts for one in _rows(recipe, tmp_path, made) if one.name == TEACHER)
    assert facts["precision"] == "int8-bnb"


@needs_bitsandbytes
@needs_peft
def test_a_teacher_tuned_by_adapters_labels_in_float32(models: Models, tmp_path: Path) -> None:
    path = write_project(tmp_path, tiny_recipe(models, load=False))
    recipe, found = scored(tmp_path, models, "teacher.quantize=nf4", "teacher.lora={rank: 2}")
    assert path.is_file()
    model = CrossEncoder.load(found.teacher.folder, (1,))
    assert quantized_kind(model.model) is None
    texts = made_by(recipe, tmp_path, TEXTS).texts
    np.testing.assert_allclose(found.logits[:, 0], model.score(texts.train.pairs), atol=1e-4)
    _, whole = scored(tmp_path, models, "teacher.lora={rank: 2}")
    assert whole.teacher.fingerprint != found.teacher.fingerprint


@needs_bitsandbytes
def test_the_report_names_the_teachers_precision(models: Models, tmp_path: Path) -> None:
    recipe, found = scored(tmp_path, models, "teacher.quantize=nf4")
    made = made_by(recipe, tmp_path, TEXTS)
    made.pair_targets = found
    teacher = _rows(recipe, tmp_path, made)[0]
    assert teacher.facts["precision"] == "nf4"
    assert 0 < teacher.facts["size_mib"] < (models.teachers[1] / "model.safetensors").stat().st_size / 2**20


def test_a_recipe_that_says_nothing_of_it_keeps_its_fingerprint(models: Models) -> None:
    teacher = Recipe.model_validate(tiny_recipe(models)).teacher
    assert teacher is not None
    assert stated(teacher) == {"kind": "load", "model": str(models.teachers[1])}


ASKING = {
    "teacher.quantize=nf4": "teacher.quantize",
    "embedding.teachers=[{model: ENCODER, quantize: int8}]": "embedding.teachers.0.quantize",
    "export.torch=[nf4, int8]": "export.torch",
}


@pytest.mark.parametrize("override", ASKING)
def test_absent_packages_are_told_before_the_run(
    override: str, models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_project(tmp_path, tiny_recipe(models))
    recipe = load_recipe(path, [override.replace("ENCODER", str(models.encoder))])
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    (error,) = preflight_errors(recipe, tmp_path)
    said = f"{ASKING[override]} needs bitsandbytes and accelerate, which is not installed: pip install 'decant[bnb]'"
    assert error == said


@needs_bitsandbytes
@pytest.mark.parametrize("override", ASKING)
def test_a_model_without_fitting_layers_is_told_before_the_run(override: str, models: Models, tmp_path: Path) -> None:
    narrow = tiny_backbone_folder(tmp_path, "bert", intermediate_size=48)
    path = write_project(tmp_path, tiny_recipe(models))
    CrossEncoder.from_backbone(narrow, 1).save(tmp_path / "teacher")
    overrides = [override.replace("ENCODER", str(narrow)), f"student.model={narrow}"]
    overrides.append(f"teacher.model={tmp_path / 'teacher'}")
    errors = preflight_errors(load_recipe(path, overrides), tmp_path)
    if "int8}" in override:
        assert errors == []
    else:
        (error,) = errors
        said = "quantize: nf4: this 'bert' model has no linear layers of a multiple of 64 inputs; leave quantize out"
        assert error == f"{ASKING[override]}: {said}"


@pytest.mark.smoke
@needs_bitsandbytes
def test_checkpoints_for_torch_are_rows_of_the_report(
    models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "pipeline.stages.measured_models.peak_memory_of", lambda code, arguments: None
    )  # the graphs' takes long
    recipe = tiny_recipe(models, "binary")
    recipe["export"] |= {"torch": ["nf4"], "precisions": ["fp32"]}
    said = decant("run", write_project(tmp_path, recipe), "--out", tmp_path / "run", "--quiet")
    assert said.code == 0, said.err
    report = read_report_json(tmp_path / "run/report/report.json")
    student, row = report.row("student"), report.row("L3xD128-nf4")
    assert (row.kind, row.runtime, row.precision) == ("student", "torch", "nf4")
    assert row.path == "checkpoints/L3xD128-nf4"
    assert row.size_mib is not None
    assert student.size_mib is not None
    assert row.size_mib < student.size_mib
    assert row.parameters == student.parameters
    assert row.texts_per_second is not None
    assert row.peak_memory_mib is not None
    assert row.metrics.keys() == student.metrics.keys()
    assert Student.load(tmp_path / "run/checkpoints/L3xD128-nf4").comparator is not None
    assert report.selected == "L3xD128-fp32"
    plan = decant("plan", tmp_path / "recipe.yaml", "--out", tmp_path / "run", "--json").json()
    assert [one["state"] for one in plan if one["stage"] == "checkpoints"] == ["done"]


def _rows(recipe: Recipe, base: Path, made: Made) -> list[Any]:
    """Rows of the teachers, beside a student that is the recipe's model."""
    run = Run(recipe, base, RunDir(base / "run"))
    made.student = run.make("student", 1, {}, lambda folder: SentenceEncoder.load(recipe.student.model).save(folder))
    made.graphs = []
    return candidates(run, made, 1)[0]
