"""Small sets of every kind for tests of suites, written as files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from tests.tiny_models import WORDS
from tests.tiny_runs import pairs, write_tsv

CLASS_NAMES = ("first", "second")


def write_ranking(folder: Path, documents: list[str], queries: list[str], qrels: list[tuple[int, int, int]]) -> Path:
    """A folder in BEIR's layout; ids are d0, d1, … and q0, q1, …."""
    (folder / "qrels").mkdir(parents=True)
    for name, letter, texts in (("corpus", "d", documents), ("queries", "q", queries)):
        lines = [json.dumps({"_id": f"{letter}{row}", "text": text}) for row, text in enumerate(texts)]
        (folder / f"{name}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    lines = [f"q{query}\td{document}\t{grade}" for query, document, grade in qrels]
    header = "query-id\tcorpus-id\tscore"
    (folder / "qrels" / "test.tsv").write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    return folder


def write_suite(folder: Path) -> tuple[Path, dict[str, Any]]:
    """A suite of a set of every kind with its data in `folder`, and the suite's content."""
    folder.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(0)
    documents = [" ".join(generator.choice(WORDS, 6)) for _ in range(30)]
    queries = [" ".join(documents[row].split()[:4]) for row in range(10)]
    write_ranking(folder / "found", documents, queries, [(row, row, 1) for row in range(10)])
    write_tsv(folder / "alike.tsv", pairs("regression", 30, 1))
    write_tsv(folder / "same.tsv", pairs("binary", 30, 2))
    halves = len(WORDS) // 2
    classed = [
        (" ".join(generator.choice(WORDS[kind * halves : (kind + 1) * halves], 4)), CLASS_NAMES[kind])
        for kind in [0, 1] * 20
    ]
    write_tsv(folder / "classed.tsv", classed, ("text", "label"))
    content: dict[str, Any] = {
        "alike": {"kind": "pairs", "source": "alike.tsv"},
        "same": {"kind": "pairs", "source": "same.tsv", "task": "binary"},
        "found": {"kind": "ranking", "path": "found"},
        "folds": {"kind": "classes", "source": "classed.tsv", "probe": {"folds": 4}},
        "fitted": {"kind": "classes", "source": "classed.tsv", "train": "classed.tsv", "train_rows": 30},
        "paired": {
            "kind": "classes", "source": "same.tsv", "columns": ["sentence1", "sentence2"], "probe": {"folds": 4},
        },
    }  # fmt: skip
    path = folder / "suite.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    return path, content
