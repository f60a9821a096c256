"""A tiny folder in BEIR's layout whose queries are the first words of their passages, and recipes that learn it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from tests.tiny_models import WORDS
from tests.tiny_runs import FAST, SPEED, Models

PASSAGES, QUERIES = 60, 40
SPLITS = {"train": range(24), "dev": range(24, 32), "test": range(32, 40)}


def write_beir(
    folder: Path, passages: Sequence[str], queries: Sequence[str], qrels: Mapping[str, Sequence[tuple[int, int, int]]]
) -> Path:
    """Such a folder; ids are d0, d1, … and q0, q1, …, and qrels are (query, passage, grade) by split."""
    (folder / "qrels").mkdir(parents=True, exist_ok=True)
    for name, letter, texts in (("corpus", "d", passages), ("queries", "q", queries)):
        lines = [json.dumps({"_id": f"{letter}{row}", "text": text}) + "\n" for row, text in enumerate(texts)]
        (folder / f"{name}.jsonl").write_text("".join(lines), encoding="utf-8")
    for split, judged in qrels.items():
        rows = [f"q{query}\td{passage}\t{grade}\n" for query, passage, grade in judged]
        (folder / "qrels" / f"{split}.tsv").write_text("query-id\tcorpus-id\tscore\n" + "".join(rows), encoding="utf-8")
    return folder


def texts_of(seed: int = 0) -> tuple[list[str], list[str]]:
    """Passages of eight words, and queries of four words of the passage of the same number."""
    generator = np.random.default_rng(seed)
    passages = [" ".join(generator.choice(WORDS, 8, replace=False)) for _ in range(PASSAGES)]
    return passages, [" ".join(generator.choice(passages[row].split(), 4, replace=False)) for row in range(QUERIES)]


def write_found(folder: Path) -> Path:
    """The tiny folder with its three splits, in `folder/found`."""
    passages, queries = texts_of()
    return write_beir(
        folder / "found", passages, queries, {name: [(row, row, 1) for row in rows] for name, rows in SPLITS.items()}
    )


def ranking_recipe(models: Models, **more: Any) -> dict[str, Any]:
    """A recipe of seconds: an embedding teacher's lists, and a student of all layers.

    Args:
        more: sections in place of these, or beside them.
    """
    student = {"model": str(models.encoder), **FAST, "batch_size": 8, "loss": {"kl": 1, "margin_mse": 1, "info_nce": 1}}
    return {
        "name": "ranked",
        "texts": {"task": {"kind": "ranking"}} | {name: {"path": "found", "split": name} for name in SPLITS},
        "embedding": {
            "teachers": [{"model": str(models.encoder)}],
            "epochs": 1,
            "batch_size": 16,
            "precision": "32-true",
        },
        "candidates": {"per_query": 6, "window": [1, 20]},
        "student": student,
        "export": {"precisions": ["fp32"], "parity": {"texts": 40}},
        "measure": {"resamples": 100, "peers": False, "speed": SPEED},
    } | more


def write_ranking_project(folder: Path, recipe: dict[str, Any]) -> Path:
    """The recipe's file, with the folder beside it."""
    write_found(folder)
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe, sort_keys=False), encoding="utf-8")
    return path
