"""Whole runs in seconds: pairs and recipes of a few lines, and the command line called inside the test."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from unittest.mock import patch

import numpy as np
import yaml

from pipeline.cli.app import main
from tests.tiny_models import WORDS

Task = Literal["regression", "binary", "multiclass"]
CLASSES = ["apart", "near", "same"]
TASKS: dict[Task, dict[str, Any]] = {
    "regression": {"kind": "regression", "low": 0, "high": 5},
    "binary": {"kind": "binary"},
    "multiclass": {"kind": "multiclass", "classes": CLASSES},
}
FAST = {"epochs": 1, "batch_size": 16, "max_length": 32, "precision": "32-true"}
OPTIMISATION = {key: FAST[key] for key in ("epochs", "batch_size", "precision")}
SPEED = {
    "rounds": 2, "batch_rounds": 1, "throughput_rounds": 1, "warmup": 0, "batch_sizes": [1, 4], "texts": 16,
    "pairs": 8, "threads": 1, "candidates": 100, "sample": 8, "pause_ms": 0, "length_rounds": 1, "part_rounds": 2,
}  # fmt: skip


@dataclass(frozen=True)
class Models:
    """Folders of tiny models; `teachers` by their number of outputs."""

    encoder: Path
    teachers: dict[int, Path]


@dataclass(frozen=True)
class Said:
    """What a command left behind: its exit code, and what it wrote."""

    code: int
    out: bytes
    err: str

    @property
    def text(self) -> str:
        """Standard output as text."""
        return self.out.decode("utf-8")

    @property
    def lines(self) -> list[str]:
        """The lines of stderr."""
        return self.err.splitlines()

    def json(self) -> Any:
        """Standard output as JSON."""
        return json.loads(self.out)


@dataclass(frozen=True)
class SmokeRun:
    """A finished run, what it said, and its fp32 artifact."""

    recipe: Path
    folder: Path
    said: Said

    @property
    def artifact(self) -> Path:
        """The float32 artifact."""
        return next(self.folder.glob("artifacts/*-fp32"))

    def log(self) -> list[dict[str, Any]]:
        """The run's log."""
        return read_log(self.folder)


def decant(*arguments: object, stdin: bytes = b"") -> Said:
    """Run `decant ARGUMENTS` in this process."""
    out, err = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.TextIOWrapper(io.BytesIO(), "utf-8")
    code = None
    argv = ["decant", *map(str, arguments)]
    with patch.object(sys, "argv", argv), patch.object(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin))):
        with redirect_stdout(out), redirect_stderr(err):
            try:
                main()
            except SystemExit as stop:
                code = stop.code
    out.flush()
    err.flush()
    assert isinstance(code, int)
    return Said(code, out.buffer.getvalue(), err.buffer.getvalue().decode("utf-8"))  # type: ignore[attr-defined]


def pairs(task: Task, count: int, seed: int) -> list[tuple[str, str, str]]:
    """Rows of two texts and a label: the share of words that they have in common, or a class of it."""
    generator = np.random.default_rng(seed)
    rows = []
    for index in range(count):
        words = generator.choice(WORDS, size=12, replace=False).tolist()
        shared = index % 6
        first, second = words[:5], words[:shared] + words[5 : 10 - shared]
        label = {"regression": f"{shared}.0", "binary": str(int(shared > 2)), "multiclass": CLASSES[shared // 2]}[task]
        rows.append((" ".join(first), " ".join(second), label))
    return rows


def write_tsv(
    path: Path, rows: Sequence[Sequence[str]], header: Sequence[str] = ("sentence1", "sentence2", "label")
) -> Path:
    """A TSV file with a header."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join("\t".join(row) + "\n" for row in [header, *rows]), encoding="utf-8")
    return path


def tiny_recipe(models: Models, task: Task = "regression", *, load: bool = True) -> dict[str, Any]:
    """A recipe of seconds; cosine for regression, else the comparator.

    Args:
        load: take a trained teacher; else fine-tune one.
    """
    outputs = 3 if task == "multiclass" else 1
    teacher = {"kind": "load", "model": str(models.teachers[outputs])}
    if not load:
        teacher = {"kind": "fine_tune", "model": str(models.encoder), **FAST}
    student: dict[str, Any] = {"model": str(models.encoder), "form": "cosine", **FAST}
    if task != "regression":
        student |= {"form": "comparator", "hidden": 16, "pooling": "concat_top_mean" if task == "binary" else "mean"}
    return {
        "name": f"tiny-{task}",
        "texts": {"task": TASKS[task], "train": "train.tsv", "dev": "dev.tsv", "test": "test.tsv"},
        "teacher": teacher,
        "student": student,
        "export": {"parity": {"texts": 40, "int8_min_cosine": 0.5}},
        "measure": {"resamples": 100, "peers": False, "speed": SPEED},
    }


def nested_recipe(models: Models, *, labelled: bool) -> dict[str, Any]:
    """A recipe of a nested student: embedding teachers, with labelled pairs after them or without."""
    recipe = tiny_recipe(models)
    teacher: dict[str, Any] = {"model": str(models.encoder)}
    recipe |= {"name": "nested" if labelled else "general"}
    recipe["student"] |= {"nesting": {"kind": "grid"}, "dims": [8]}
    recipe["export"] |= {"precisions": ["fp32"], "cuts": [[3, 32], [1, 32], [1, 8]]}
    del recipe["teacher"]
    if labelled:
        teacher |= {"tune": FAST}
        recipe["student"] |= {"keep": 1.0, "exit_layers": [1]}
    else:
        del recipe["texts"]["train"], recipe["texts"]["dev"]
    schedule = {"epochs": 1, "batch_size": 16, "precision": "32-true"}
    recipe["embedding"] = {"teachers": [teacher], "sentences": ["sentences.txt"], "augment": {}, **schedule}
    if labelled:
        few = {"near": 5, "window": 5, "random": 5, "window_ranks": [4, 9], "max_of_nearest": 1.0}
        recipe["embedding"] |= {"mine": few, "states": {"kind": "hidden"}}
    return recipe


def trained_recipe(models: Models) -> dict[str, Any]:
    """A recipe that exports a model as it is: its cuts, without any training."""
    recipe = tiny_recipe(models)
    del recipe["teacher"], recipe["texts"]["train"], recipe["texts"]["dev"]
    student = {"model": str(models.encoder), "trained": True, "nesting": {"kind": "grid"}, "dims": [8]}
    measure = recipe["measure"] | {"compare": [str(models.encoder)]}
    export = recipe["export"] | {"precisions": ["fp32", "int8-row"], "cuts": [[3, 32], [1, 8]]}
    export |= {"vectors": ["int8", "binary"]}
    return recipe | {"name": "trained", "student": student, "measure": measure, "export": export}


def reranker_block() -> dict[str, Any]:
    """What makes a recipe with a cross-encoder make a re-ranker, too."""
    return {"sharing": {"groups": [[0, 1]]}, "pseudo": dict(OPTIMISATION), **OPTIMISATION}


def write_project(folder: Path, recipe: dict[str, Any], train: int = 60) -> Path:
    """The recipe's file, with pairs of its task beside it."""
    task = recipe["texts"]["task"]["kind"]
    for seed, (name, count) in enumerate({"train": train, "dev": 24, "test": 24}.items()):
        write_tsv(folder / f"{name}.tsv", pairs(task, count, seed))
    sentences = [text for row in pairs("regression", 60, 7) for text in row[:2]]
    (folder / "sentences.txt").write_text("\n".join(sentences) + "\n", encoding="utf-8")
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe, sort_keys=False), encoding="utf-8")
    return path


def make_smoke_run(folder: Path, models: Models, task: Task = "regression", *, load: bool = False) -> SmokeRun:
    """Run the whole road."""
    recipe = write_project(folder, tiny_recipe(models, task, load=load))
    return SmokeRun(recipe, folder / "run", decant("run", recipe, "--out", folder / "run"))


def read_log(run: Path) -> list[dict[str, Any]]:
    """Events of log.jsonl; nothing where there is none yet, and no half-written last line."""
    path = run / "log.jsonl"
    written = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.is_file() else []
    return [json.loads(line) for line in written if line.endswith("\n")]
