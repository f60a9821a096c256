"""A run whose student has fewer tokens, from the recipe's one key to the folders that it ships."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer

from decant.errors import InputError
from decant.models.encoder import SentenceEncoder
from export.serve.session import OnnxEncoder
from pipeline.fingerprint import stated
from pipeline.recipe.recipe import Recipe, load_recipe
from pipeline.run_dir import Finished
from pipeline.stages.embed import EMBED
from pipeline.stages.student import OF_ONE_TRAINING, STUDENT
from pipeline.stages.texts import TEXTS
from pipeline.stages.vectors import VECTORS
from tests.made_stages import made_by
from tests.tiny_models import WORDS
from tests.tiny_runs import Models, decant, nested_recipe, tiny_recipe, write_project

FEW = {"keep_from": "words.txt", "min_count": 10_000}
GIVEN = ["a river", "grass in the park", "🙂 日本", "guitar " * 300, ""]


def words_of(folder: Path) -> set[str]:
    return set(Tokenizer.from_file(str(folder / "tokenizer.json")).get_vocab()) & {one for one in WORDS if len(one) > 1}


def test_other_runs_keep_their_fingerprints(models: Models) -> None:
    def said(vocabulary: object) -> object:
        content = tiny_recipe(models)
        content["student"] |= {"vocabulary": vocabulary}
        return stated(Recipe.model_validate(content).student, leave_out=OF_ONE_TRAINING)

    assert "vocabulary" not in said(None)
    assert said({"keep_from": "here.txt", "size": 9}) == said({"keep_from": "there.txt", "size": 9})
    assert said({"keep_from": "here.txt", "size": 9}) != said({"keep_from": "here.txt", "size": 8})


@pytest.fixture
def project(models: Models, tmp_path: Path) -> Path:
    """A recipe with embedding teachers and labelled pairs, whose student keeps few tokens."""
    content = nested_recipe(models, labelled=True)
    content["embedding"]["teachers"] = [{"model": str(models.encoder)}]
    del content["embedding"]["mine"], content["embedding"]["states"]
    content["student"] |= {"vocabulary": FEW}
    (tmp_path / "words.txt").write_text("river\nthe park\n", encoding="utf-8")
    return write_project(tmp_path, content)


@pytest.mark.parametrize("embedded", [True, False], ids=["embedded", "distilled"])
def test_training_starts_from_the_kept_tokens(embedded: bool, project: Path) -> None:
    base, recipe = project.parent, load_recipe(project)

    def made() -> Finished:
        found = made_by(recipe, base, TEXTS, VECTORS, EMBED if embedded else STUDENT)
        student = found.embedded if embedded else found.student
        assert student is not None
        return student

    assert words_of(made().folder) == {"river", "the", "park"}
    assert made().reused
    (base / "words.txt").write_text("river\nthe park\ngrass\n", encoding="utf-8")
    assert words_of(made().folder) == {"river", "the", "park", "grass"}
    (base / "words.txt").write_bytes(b"")
    with pytest.raises(InputError, match=r"words.txt is empty; give one text or word a line"):
        made()


@pytest.mark.smoke
def test_every_artifact_has_the_kept_tokens_alone(models: Models, tmp_path: Path) -> None:
    content = tiny_recipe(models)
    content["student"] |= {"vocabulary": FEW}
    content["export"] |= {"precisions": ["fp32"]}
    recipe, run = write_project(tmp_path, content), tmp_path / "run"
    (tmp_path / "words.txt").write_text("river\nthe park\n", encoding="utf-8")
    done = decant("run", recipe, "--out", run, "-q")
    assert done.code == 0, done.err
    folder, whole = run / "artifacts" / "L3xD32-fp32", SentenceEncoder.load(models.encoder)
    student = SentenceEncoder.load(run / "student")
    assert words_of(folder) == {"river", "the", "park"}
    assert len(student.tokenizer) < len(whole.tokenizer)
    assert json.loads((folder / "config.json").read_text(encoding="utf-8"))["vocab_size"] == len(student.tokenizer)
    np.testing.assert_allclose(OnnxEncoder(folder).encode(GIVEN), student.encode(GIVEN), atol=1e-5)
    said = f"Vocabulary: {len(student.tokenizer)} of the {len(whole.tokenizer)} tokens of the model that"
    for page in (run / "report" / "report.md", folder / "README.md"):
        assert said in page.read_text(encoding="utf-8")
