"""Embedding teachers of a run: what they explain, and that their vectors are found again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from decant.errors import InputError
from decant.models.encoder import SentenceEncoder
from pipeline.recipe.recipe import load_recipe
from pipeline.stages.mine import MINE
from pipeline.stages.texts import TEXTS
from pipeline.stages.vectors import VECTORS, VectorTargets
from pipeline.texts.load import Texts, pair_texts
from tests.made_stages import made_by
from tests.tiny_runs import Models, nested_recipe, write_project


def targets_of(folder: Path, models: Models, **embedding: Any) -> tuple[VectorTargets, Texts]:
    content = nested_recipe(models, labelled=True)
    content["embedding"] |= {"teachers": [{"model": str(models.encoder)}], "states": None} | embedding
    path = folder / "recipe.yaml" if (folder / "recipe.yaml").exists() else write_project(folder, content)
    made = made_by(load_recipe(path), folder, TEXTS, VECTORS)
    assert made.vector_targets is not None
    return made.vector_targets, made.texts


def test_texts_of_dev_and_test_are_left_out(models: Models, tmp_path: Path) -> None:
    write_project(tmp_path, nested_recipe(models, labelled=True))
    (tmp_path / "recipe.yaml").unlink()
    held_out = [line.split("\t")[0] for line in (tmp_path / "test.tsv").read_text(encoding="utf-8").splitlines()[1:]]
    vector_targets, texts = targets_of(tmp_path, models)
    out = {text for split in (texts.dev, texts.test) for pair in split.pairs for text in pair}
    assert set(held_out) < out
    assert out.isdisjoint(vector_targets.texts)
    assert out.isdisjoint(vector_targets.held_back)
    assert set(vector_targets.texts).isdisjoint(vector_targets.held_back)
    assert set(pair_texts(texts)) - out <= {*vector_targets.texts, *vector_targets.held_back}
    assert 0 < vector_targets.given < len(vector_targets.texts)


def test_vectors_are_the_teachers(models: Models, tmp_path: Path) -> None:
    vector_targets, texts = targets_of(tmp_path, models)
    asked = [*vector_targets.texts[:5], *pair_texts(texts)[:5], vector_targets.texts[2]]
    encoder = SentenceEncoder.load(models.encoder)
    np.testing.assert_allclose(vector_targets.vectors(asked).take(np.arange(11)), encoder.encode(asked), atol=2e-3)
    np.testing.assert_allclose(vector_targets.encoder()(asked), encoder.encode(asked), atol=1e-6)


def test_mixed_teachers_give_the_weighted_cosine(models: Models, tmp_path: Path) -> None:
    teachers = [{"model": str(models.encoder), "weight": 3.0}, {"model": str(models.encoder)}]
    vector_targets, _ = targets_of(tmp_path, models, teachers=teachers)
    vectors = vector_targets.vectors(vector_targets.texts[:4]).take(np.arange(4))
    one = SentenceEncoder.load(models.encoder).encode(vector_targets.texts[:4])
    assert vectors.shape == (4, 64)
    np.testing.assert_allclose(vectors @ vectors.T, one @ one.T, atol=2e-3)
    np.testing.assert_allclose(vector_targets.encoder()(vector_targets.texts[:4]), vectors, atol=2e-3)


def test_more_texts_cost_only_what_is_new(models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    targets_of(tmp_path, models, augment=None)
    sentences = tmp_path / "sentences.txt"
    sentences.write_text(sentences.read_text(encoding="utf-8") + "the street of the young market\n", encoding="utf-8")
    encoded: list[str] = []
    encode = SentenceEncoder.encode

    def watched(self: SentenceEncoder, texts: list[str], **options: Any) -> Any:
        encoded.extend(texts)
        return encode(self, texts, **options)

    monkeypatch.setattr(SentenceEncoder, "encode", watched)
    vector_targets, _ = targets_of(tmp_path, models)
    assert encoded == ["the street of the young market"]
    assert len(vector_targets.texts) > 100


def test_mined_pairs_join_the_unlabelled_ones(models: Models, tmp_path: Path) -> None:
    _, texts = targets_of(tmp_path, models)
    recipe = load_recipe(tmp_path / "recipe.yaml", ["embedding.mine={near: 6, window: 0, random: 7}"])
    made = made_by(recipe, tmp_path, TEXTS, VECTORS, MINE)
    more, facts = made.texts, made.mined
    assert facts is not None
    assert sum(facts.before) == len(texts.train)
    assert sum(facts.after) == len(texts.train) + 13
    known = {frozenset(pair) for split in (texts.train, texts.dev, texts.test) for pair in split.pairs}
    assert 0 < len(more.unlabelled) <= 13
    assert known.isdisjoint({frozenset(pair) for pair in more.unlabelled.pairs})
    assert np.isnan(more.unlabelled.labels).all()
    assert list(more.train.pairs) == list(texts.train.pairs)


@pytest.mark.parametrize(
    ("embedding", "said"),
    [
        ({"mine": {"near": 10**6}}, r"mine\.near: 1000000 pairs are asked for, but \d+ texts give \d+ at most"),
        ({"mine": {"window_ranks": [4, 5000]}}, r"mine: \d+ texts have no 5000 nearest ones each"),
        ({"batch_size": 4000}, r"\d+ texts are fewer than a batch of 4000"),
        ({"sentences": [{"path": "train.tsv", "columns": ["body"]}]}, "column 'body'"),
    ],
)
def test_impossible_texts_are_told_before_a_teacher_is_tuned(
    embedding: dict[str, Any], said: str, models: Models, tmp_path: Path
) -> None:
    tuned = {"model": str(models.encoder), "tune": {"epochs": 1}}
    with pytest.raises(InputError, match=said):
        targets_of(tmp_path, models, teachers=[tuned], **embedding)
    assert not (tmp_path / "run" / "embedding").exists()
    assert not list((tmp_path / "run").glob(".work/*"))
