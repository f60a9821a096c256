"""Teachers that are quantized for labelling: what stands in the run, and that no cache takes one for the other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.recipe import Recipe, check_surroundings, load_recipe
from pipeline.run_dir import RunDir
from pipeline.stages import targets
from pipeline.stages.candidates import TEACHER, candidates
from pipeline.stages.ir import Irs
from pipeline.stages.targets import Scored, targets_stage
from pipeline.stages.teacher import stated, teacher_stage
from pipeline.stages.texts import texts_stage
from pipeline.stages.vectors import vectors_stage
from teachers.cross_encoder import CrossEncoder
from teachers.encoder import SentenceEncoder
from teachers.progress import unwatched
from tests.bnb_extra import needs_bitsandbytes
from tests.tiny_runs import Models, nested_recipe, tiny_recipe, write_project


def scored(folder: Path, models: Models, *overrides: str) -> tuple[Recipe, Scored]:
    path = folder / "recipe.yaml" if (folder / "recipe.yaml").exists() else write_project(folder, tiny_recipe(models))
    recipe, run_dir = load_recipe(path, overrides), RunDir(folder / "run")
    run_dir.root.mkdir(exist_ok=True)
    done, texts = texts_stage(recipe, folder, run_dir)
    assert recipe.teacher is not None
    teacher = teacher_stage(recipe, recipe.teacher, folder, texts, done, run_dir, unwatched)
    return recipe, targets_stage(recipe, texts, teacher, run_dir, unwatched)


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
    _, texts = texts_stage(recipe, tmp_path, RunDir(tmp_path / "run"))
    expected = model.score(texts.train.pairs)[:, None]
    np.testing.assert_allclose(found.logits, expected, atol=1e-5)
    assert np.abs(found.logits - whole.logits).max() > 1e-3


@needs_bitsandbytes
def test_vectors_are_those_of_the_quantized_encoder(models: Models, tmp_path: Path) -> None:
    content = nested_recipe(models, labelled=True)
    content["embedding"] |= {"teachers": [{"model": str(models.encoder)}], "states": None, "mine": None}
    path = write_project(tmp_path, content | {"embedding": content["embedding"] | {"encode_precision": "fp32"}})
    run_dir = RunDir(tmp_path / "run")
    run_dir.root.mkdir()
    vectors = {}
    for kind in ("null", "int8"):
        recipe = load_recipe(path, [f"embedding.teachers=[{{model: {models.encoder}, quantize: {kind}}}]"])
        done, texts = texts_stage(recipe, tmp_path, run_dir)
        assert recipe.embedding is not None
        lesson = vectors_stage(recipe, recipe.embedding, tmp_path, texts, done, run_dir, unwatched)
        vectors[kind] = lesson.vectors(lesson.texts[:4]).take(np.arange(4))
        assert lesson.teachers[0][0] == (models.encoder if kind == "null" else run_dir.folder("embedding/teacher0"))
    reference = SentenceEncoder.load(models.encoder, quantize="int8").encode(lesson.texts[:4])
    # float16 on disk, and outliers are those of another batch
    np.testing.assert_allclose(vectors["int8"], reference, atol=5e-3)
    np.testing.assert_allclose(lesson.encoder()(lesson.texts[:4]), reference, atol=1e-6)
    assert np.abs(vectors["int8"] - vectors["null"]).max() > 1e-3
    facts = next(one.facts for one in _rows(recipe, tmp_path, texts, None, lesson, run_dir) if one.name == TEACHER)
    assert facts["precision"] == "int8-bnb"


@needs_bitsandbytes
def test_the_report_names_the_teachers_precision(models: Models, tmp_path: Path) -> None:
    recipe, found = scored(tmp_path, models, "teacher.quantize=nf4")
    _, texts = texts_stage(recipe, tmp_path, RunDir(tmp_path / "run"))
    teacher = _rows(recipe, tmp_path, texts, found, None, RunDir(tmp_path / "run"))[0]
    assert teacher.facts["precision"] == "nf4"
    assert 0 < teacher.facts["size_mib"] < (models.teachers[1] / "model.safetensors").stat().st_size / 2**20


def test_a_recipe_that_says_nothing_of_it_keeps_its_fingerprint(models: Models) -> None:
    teacher = Recipe.model_validate(tiny_recipe(models)).teacher
    assert teacher is not None
    assert stated(teacher) == {"kind": "load", "model": str(models.teachers[1]), "max_length": None}


def test_absent_packages_are_told_before_the_run(
    models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_project(tmp_path, tiny_recipe(models))
    recipe = load_recipe(path, ["teacher.quantize=nf4"])
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    (error,) = check_surroundings(recipe, tmp_path)
    assert error.startswith("teacher.quantize needs bitsandbytes and accelerate, which is not installed: pip install")


def _rows(recipe: Recipe, base: Path, texts: Any, found: Scored | None, lesson: Any, run_dir: RunDir) -> list[Any]:
    """Rows of the teachers, beside a student that is the recipe's model."""
    student = run_dir.make("student", "f", lambda folder: SentenceEncoder.load(recipe.student.model).save(folder))
    return candidates(recipe, base, texts, found, lesson, student, [], Irs(), 1)[0]
