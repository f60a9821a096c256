"""Why a stage is made again is said by the names that a user knows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from pipeline.fingerprint import entered, stated
from pipeline.reasons import changed, new_stages
from pipeline.recipe.recipe import Recipe, load_recipe
from tests.tiny_runs import Models, nested_recipe, tiny_recipe, write_project

OLD, NEW, OTHER = "a" * 64, "b" * 64, "c" * 64


@pytest.fixture
def recipe(models: Models, tmp_path: Path) -> Recipe:
    return load_recipe(write_project(tmp_path, tiny_recipe(models)))


@pytest.mark.parametrize(
    ("stage", "before", "inputs", "said"),
    [
        ("texts", {"sources": {"texts.train": OLD}}, {"sources": {"texts.train": NEW}}, "train.tsv changed"),
        ("texts", {"sources": {}}, {"sources": {"texts.dev": NEW}}, "dev.tsv was added"),
        ("texts", {"sources": {"texts.unlabelled.0": OLD}}, {}, "texts.unlabelled.0 was left out"),
        ("students/alpha0.5-seed0", {"settings": {"epochs": 3}}, {"settings": {"epochs": 5}}, "student.epochs 3 → 5"),
        ("students/alpha0.25-seed0", {"alpha": 0.5}, {"alpha": 0.25}, "student.alpha 0.5 → 0.25"),
        ("students/alpha0.5-seed0", {"targets": [OLD]}, {"targets": [NEW]}, "made from new targets"),
        ("students/alpha0.5-seed0", {"dev": OLD}, {"dev": NEW}, "the dev pairs changed"),
        ("targets", {"teacher": OLD}, {"teacher": NEW}, "made from a new teacher"),
        ("graphs", {"student": OLD}, {"student": NEW}, "made from a new student"),
        ("graphs", {"most": 8}, {}, "dimensions by budget.dim 8 → none"),
        ("graphs", {"settings": {"parity": {"texts": 40}}}, {}, "export.parity.texts 40 → 500"),
        ("measure", {"settings": {}}, {"settings": {"resamples": 50}}, "measure.resamples 1000 → 50"),
        ("measure", {"models": [OLD, OTHER]}, {"models": [NEW, OTHER]}, "made from new graphs"),
        ("artifacts", {"measured": OLD}, {"measured": NEW}, "made from new measurements"),
        ("artifacts", {"decant": "0.1.0"}, {"decant": "0.2.0"}, "decant 0.1.0 → 0.2.0"),
        ("engines", {"gpu": "H100"}, {}, "gpu H100 → none"),
        ("report", {"recipe": {}}, {"recipe": {"budget": {"latency_ms": 50.0}}}, "budget.latency_ms none → 50"),
        ("report", {"recipe": {"description": "a"}}, {"recipe": {}}, "description a → none"),
        ("report", {"notes": ["a"]}, {"notes": ["b"]}, 'what the report notes ["a"] → ["b"]'),
        ("report", {"recipe": {"promotion": {"webhook": "env:A"}}}, {}, "promotion.webhook changed"),
        ("graphs", {"version": 4, "student": OLD}, {"version": 5, "student": NEW}, ""),
        ("graphs", {"student": OLD}, {"version": 5, "student": OLD}, ""),
    ],
)  # fmt: skip
def test_a_difference_is_named(
    stage: str, before: Mapping[str, Any], inputs: Mapping[str, Any], said: str, recipe: Recipe
) -> None:
    assert changed(stage, recipe, before, inputs, {NEW: "graphs"} if stage == "measure" else {}) == said


def test_sentences_are_named_by_their_files(models: Models, tmp_path: Path) -> None:
    recipe = load_recipe(write_project(tmp_path, nested_recipe(models, labelled=True)))
    assert changed("vectors", recipe, {"sources": [OLD]}, {"sources": [NEW]}, {}) == "sentences.txt changed"
    assert changed("students/alpha0.5-seed0", recipe, {"model": OLD}, {"model": NEW}, {}) == (
        "made from a newly embedded student"
    )


def test_stages_come_first_and_a_few_settings_after_them(recipe: Recipe) -> None:
    before = {"settings": {"epochs": 1, "alpha": 0.1, "batch_size": 8}, "labels": OLD, "targets": [OLD]}
    after = {"settings": {"epochs": 2, "alpha": 0.2, "batch_size": 9}, "labels": NEW, "targets": [NEW]}
    assert changed("students/alpha0.5-seed0", recipe, before, after, {NEW: "targets"}) == (
        "made from new targets, student.epochs 1 → 2, student.alpha 0.1 → 0.2, and 1 more"
    )
    assert new_stages(["student", "graphs"]) == "a new student and new graphs"


def test_every_setting_of_the_report_is_found(recipe: Recipe) -> None:
    """The recipe as the report's mark keeps it differs by the changed settings alone."""
    other = recipe.model_copy(update={"seed": 7, "description": "x" * 50})
    one, two = (entered({"recipe": stated(some)}) for some in (recipe, other))
    assert changed("report", other, one, two, {}) == "description changed, seed 0 → 7"
