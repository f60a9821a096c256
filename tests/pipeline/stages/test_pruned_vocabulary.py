"""A run whose student has fewer tokens, from the recipe's one key to the folders that it ships."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer

from decant.errors import InputError
from decant.models.encoder import SentenceEncoder
from decant.progress import unwatched
from export.serve.session import OnnxEncoder
from pipeline.recipe.recipe import load_recipe
from pipeline.run_dir import RunDir, Stage
from pipeline.stages.embed import embed_stage
from pipeline.stages.pruned_vocabulary import vocabulary_inputs
from pipeline.stages.student import students_stage
from pipeline.stages.texts import texts_stage
from pipeline.stages.vectors import vectors_stage
from students.cuts.vocabulary_settings import VocabularySettings
from tests.tiny_models import WORDS
from tests.tiny_runs import Models, decant, nested_recipe, tiny_recipe, write_project

FEW = {"keep_from": "words.txt", "min_count": 10_000}
TEXTS = ["a river", "grass in the park", "🙂 日本", "guitar " * 300, ""]


def words_of(folder: Path) -> set[str]:
    return set(Tokenizer.from_file(str(folder / "tokenizer.json")).get_vocab()) & {one for one in WORDS if len(one) > 1}


def test_other_runs_keep_their_fingerprints() -> None:
    assert vocabulary_inputs(None, []) == {}
    settings = VocabularySettings(keep_from="here.txt", size=9)
    elsewhere = VocabularySettings(keep_from="there.txt", size=9)
    assert vocabulary_inputs(settings, ["a"]) == vocabulary_inputs(elsewhere, ["a"])
    assert vocabulary_inputs(settings, ["a"]) != vocabulary_inputs(settings, ["b"])


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
    base, recipe, run_dir = project.parent, load_recipe(project), RunDir(project.parent / "run")
    run_dir.root.mkdir()
    texts_done, texts = texts_stage(recipe, base, run_dir)
    assert recipe.embedding is not None
    vector_targets = vectors_stage(recipe, recipe.embedding, base, texts, texts_done, run_dir, unwatched)

    def made() -> Stage:
        if embedded:
            assert recipe.embedding is not None
            return embed_stage(recipe, recipe.embedding, base, vector_targets, run_dir, unwatched)
        return students_stage(recipe, base, texts, None, vector_targets, None, run_dir, unwatched)[0]

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
    np.testing.assert_allclose(OnnxEncoder(folder).encode(TEXTS), student.encode(TEXTS), atol=1e-5)
    said = f"Vocabulary: {len(student.tokenizer)} of the {len(whole.tokenizer)} tokens of the model that"
    for page in (run / "report" / "report.md", folder / "README.md"):
        assert said in page.read_text(encoding="utf-8")
