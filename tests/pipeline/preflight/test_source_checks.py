"""What the files of a recipe say is found before anything is trained: columns, labels, texts."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.preflight.preflight import preflight_errors
from pipeline.preflight.source_checks import LOOKED_AT, source_errors
from pipeline.recipe.recipe import Recipe, load_recipe
from tests.tiny_runs import CLASSES, Models, decant, nested_recipe, pairs, tiny_recipe, write_project, write_tsv

ROWS = [{"first": f"a text {n}", "second": f"another {n}", "label": n % 6} for n in range(12)]
KINDS = ["tsv", "csv", "jsonl", "parquet", "folder"]


@pytest.fixture
def recipe(models: Models, tmp_path: Path) -> Recipe:
    return load_recipe(write_project(tmp_path, tiny_recipe(models)))


def written(folder: Path, kind: str) -> str:
    """The rows as a file of a kind, or a folder of them: the path that a recipe names."""
    if kind == "parquet":
        pq.write_table(pa.Table.from_pylist(ROWS), folder / "rows.parquet")
    elif kind == "jsonl":
        (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    else:
        sign = "," if kind == "csv" else "\t"
        lines = [sign.join(ROWS[0]), *(sign.join(map(str, row.values())) for row in ROWS)]
        place = folder / ("set/train.tsv" if kind == "folder" else f"rows.{kind}")
        place.parent.mkdir(exist_ok=True)
        place.write_text("\n".join(lines) + "\n")
    return "set" if kind == "folder" else f"rows.{kind}"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("key", ["texts.train", "texts.dev", "texts.test"])
def test_columns_that_no_file_has_are_told(key: str, kind: str, models: Models, tmp_path: Path) -> None:
    path = write_project(tmp_path, tiny_recipe(models))
    recipe = load_recipe(path, [f"{key}={written(tmp_path, kind)}"])
    (error,) = preflight_errors(recipe, tmp_path)
    assert error.startswith(f"{key}: ")
    assert "no column 'sentence1', 'sentence2'; it has 'first', 'second', 'label'" in error


def test_validate_plan_and_run_tell_the_same(models: Models, tmp_path: Path) -> None:
    path = write_project(tmp_path, tiny_recipe(models))
    out = tmp_path / "run"
    for command in (["validate", path], ["plan", path, "--out", out], ["run", path, "--out", out, "--quiet"]):
        said = decant(*command, "--set", "texts.columns.label=score")
        assert said.code == 2
        assert [line.partition(":")[0] for line in said.lines] == ["decant"] * 3
        assert said.err.count("no column 'score'; it has 'sentence1', 'sentence2', 'label'") == 3
    assert not out.exists()


@pytest.mark.parametrize(
    ("task", "changed", "said"),
    [
        ("regression", {"texts.task": "{kind: regression, low: 1, high: 5}"}, "row 1 has a label out of range ('0.0')"),
        ("regression", {"texts.task": "{kind: binary}"}, "row 3 has a label out of range ('2.0')"),
        ("multiclass", {"texts.task": "{kind: regression}", "student.form": "cosine"}, "label that cannot be read"),
        ("multiclass", {"texts.task": "{kind: multiclass, classes: [apart, near, equal]}"}, "row 5 has a label out of"),
    ],
)  # fmt: skip
def test_labels_are_held_to_the_task(
    task: Any, changed: dict[str, str], said: str, models: Models, tmp_path: Path
) -> None:
    path = write_project(tmp_path, tiny_recipe(models, task))
    recipe = load_recipe(path, [f"{key}={value}" for key, value in changed.items()])
    errors = source_errors(recipe, tmp_path)
    assert [error.partition(":")[0] for error in errors] == ["texts.train", "texts.dev", "texts.test"]
    assert all(said in error for error in errors)


def test_what_the_recipe_drops_is_no_error(models: Models, tmp_path: Path) -> None:
    path = write_project(tmp_path, tiny_recipe(models))
    write_tsv(tmp_path / "train.tsv", [*pairs("regression", 20, 1), ("", "b", "1"), ("c", "d", "x")])
    assert len(source_errors(load_recipe(path), tmp_path)) == 1
    assert source_errors(load_recipe(path, ["texts.problems={empty: drop, label: drop}"]), tmp_path) == []


def test_only_the_first_rows_are_looked_at(recipe: Recipe, tmp_path: Path) -> None:
    rows = [(f"first {n}", f"second {n}", "1") for n in range(LOOKED_AT)]
    write_tsv(tmp_path / "train.tsv", [*rows, ("a", "b", "word")])
    assert source_errors(recipe, tmp_path) == []
    write_tsv(tmp_path / "train.tsv", [(first, second, "word") for first, second, _ in rows] + [("a", "b", "word")])
    (error,) = source_errors(recipe, tmp_path)
    assert "row 5 has a label that cannot be read ('word'); and 995 of the first 1,000 rows more. Mend" in error
    assert error.endswith("row 1 is the first of the data, not the header")


def test_sentences_and_unlabelled_pairs(models: Models, tmp_path: Path) -> None:
    path = write_project(tmp_path, nested_recipe(models, labelled=True))
    (tmp_path / "more.tsv").write_text("sentence1\tother\na\tb\n")
    (tmp_path / "words.csv").write_text("caption\na dog\n")
    recipe = load_recipe(path, ["texts.unlabelled=[more.tsv]", "embedding.sentences=[words.csv, sentences.txt]"])
    first, second = source_errors(recipe, tmp_path)
    assert first.startswith("texts.unlabelled.0: ")
    assert "no column 'sentence2'; it has 'sentence1', 'other'" in first
    assert second.startswith("embedding.sentences.0: ")
    assert "no column 'text'; it has 'caption'" in second


def test_files_are_told_before_models_are_looked_at(models: Models, tmp_path: Path) -> None:
    path = write_project(tmp_path, tiny_recipe(models))
    code = f"""
import sys
from pathlib import Path
from pipeline.preflight.preflight import preflight_errors
from pipeline.recipe.recipe import load_recipe
print(preflight_errors(load_recipe(Path({str(path)!r}), ["texts.train=none.tsv"]), Path({str(tmp_path)!r})))
print([name for name in ("torch", "transformers", "datasets", "sklearn") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    errors, heavy = done.stdout.splitlines()
    assert "none.tsv: no such file or folder" in errors
    assert heavy == "[]"


def test_classes_of_a_good_recipe_pass(models: Models, tmp_path: Path) -> None:
    recipe = load_recipe(write_project(tmp_path, tiny_recipe(models, "multiclass")))
    assert recipe.texts.task.classes == tuple(CLASSES)
    assert source_errors(recipe, tmp_path) == []
