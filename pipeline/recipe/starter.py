"""The recipes that `decant init` writes: from names of files alone, from a file of labelled pairs, or of texts."""

from __future__ import annotations

import math
from typing import Any

import yaml

from decant.models.start_model import HUB_MODEL
from pipeline.recipe.guess import Guess

READ_IN_TRAINING = 15_000  # texts, over all epochs, that a first try learns from
MOST_EPOCHS = 20
HEAD = """\
# A Decant recipe. Check it with `decant validate`, see what it will do with `decant plan`, run it with `decant run`.
name: {name}            # the run's folder is runs/{name}
seed: 0
"""
PAIRS = """
texts:
  # What a label means: regression (low..high), binary (two classes, the second positive) or multiclass (classes).
  task: {task}
  columns: {columns}
  train: {train}        # .tsv, .csv, .jsonl or .parquet, a folder, or {{hub: org/dataset, split: train}}
  {test}
  # dev: dev.tsv        # without it, a tenth of train is held back
  # unlabelled: [more_pairs.tsv]    # pairs without labels, which the teacher labels
  {problems}

teacher:
  kind: fine_tune       # or `load`, with the model of a trained cross-encoder
  model: {model}    # hub id, folder, or package:NAME/FOLDER
  epochs: 4
  learning_rate: 8.0e-5

student:
  model: {model}
  form: {form}          # serve the cosine of two vectors; `comparator` is DSE's head, which classes need
  epochs: 3
  alpha: {alpha}            # weight of the teacher against the labels
"""
TEXTS = """
# No labels: the student learns the vectors that the teacher gives these texts.
embedding:
  teachers: [{{model: {model}}}]    # one or several; hub id, folder, or package:NAME/FOLDER
  sentences: [{sentences}]    # .txt (a text a line), .tsv, .csv, .jsonl or .parquet
  epochs: {epochs}
  learning_rate: 3.0e-4
  batch_size: 32

student:
  model: {model}
  form: cosine{layers}
"""
TAIL = """
# trainer: {devices: 2} # processes of each training: one a GPU, or beside each other on the CPU's cores

export:
  precisions: [fp32, int8-dynamic]
"""
DROP = "# problems: {empty: drop, label: drop}   # rows that are refused by default"


def starter_recipe(name: str, train: str, test: str, model: str = HUB_MODEL) -> str:
    """A commented recipe that `load_recipe` accepts, for files of labelled pairs that nobody has looked at."""
    task, columns = {"kind": "regression", "low": 0, "high": 5}, ("sentence1", "sentence2", "label")
    return _pairs(name, task, columns, train, f"test: {_flow(test)}", DROP, model, "0.5")


def pairs_recipe(name: str, found: Guess, train: str, test: str | None, model: str) -> str:
    """A recipe that can be run at once, for a file of labelled pairs.

    Args:
        found: what was found in the file.
        train: the file.
        test: of test pairs; None: they are drawn from train.
        model: that the teacher and the student start from.
    """
    empty = {"empty": found.empty_texts, "label": found.empty_labels}
    drop = {kind: "drop" for kind, count in empty.items() if count}
    left_out = f"problems: {_flow(drop)}    # {sum(empty.values())} cells are empty" if drop else DROP
    held = (
        f"test: {_flow(test)}" if test else "test_share: 0.2       # of train, held back to measure on; or test: FILE"
    )
    return _pairs(name, found.task, (found.first, found.second, found.label), train, held, left_out, model, "0.3")


def texts_recipe(name: str, file: str, columns: tuple[str, ...], rows: int, model: str, layers: int | None) -> str:
    """A recipe that can be run at once, for texts without labels.

    Args:
        file: of the texts.
        columns: that hold them; none for a .txt file.
        rows: how many texts there are.
        model: the teacher, and what the student starts from.
        layers: of it; None: not known.
    """
    kept = list(range(0, layers, 2)) if layers is not None and layers >= 4 else None
    half = f"\n  layers: {kept}     # the model's layers that the student keeps, of {layers}" if kept else ""
    return HEAD.format(name=safe_name(name)) + TEXTS.format(
        model=_flow(model), sentences=_flow({"path": file, "columns": [*columns]} if columns else file),
        epochs=max(1, min(MOST_EPOCHS, math.ceil(READ_IN_TRAINING / max(rows, 1)))), layers=half,
    ) + TAIL  # fmt: skip


def safe_name(name: str) -> str:
    """A name that a recipe may have, as like the given one as can be."""
    letters = (letter if letter.isascii() and (letter.isalnum() or letter in "._-") else "-" for letter in name)
    return "".join(letters).strip("._-")[:64] or "recipe"


def _pairs(
    name: str, task: dict[str, Any], columns: tuple[str, str, str], train: str, test: str, problems: str, model: str,
    alpha: str,
) -> str:  # fmt: skip
    named = dict(zip(("first", "second", "label"), columns, strict=True))
    form = "comparator" if task["kind"] == "multiclass" else "cosine"
    return HEAD.format(name=safe_name(name)) + PAIRS.format(
        task=_flow(task), columns=_flow(named), train=_flow(train), test=test, problems=problems, model=_flow(model),
        form=form, alpha=alpha,
    ) + TAIL  # fmt: skip


def _flow(value: object) -> str:
    """A value as YAML in one line, in quotes where it needs them."""
    if isinstance(value, str) and _is_plain(value):
        return value
    text = yaml.safe_dump([value], default_flow_style=True, sort_keys=False, allow_unicode=True, width=math.inf)
    return text.strip()[1:-1]


def _is_plain(text: str) -> bool:
    try:
        return bool(yaml.safe_load(f"[{text}]") == [text])
    except yaml.YAMLError:
        return False
