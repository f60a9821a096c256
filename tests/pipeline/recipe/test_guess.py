"""Which columns hold the texts and the label, and what the label means, from a file alone."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from decant.errors import InputError
from pipeline.recipe.guess import guess_pairs, guess_texts, named_kind
from pipeline.texts.settings import Task

FIRST = ["How do I reset my password?", "Where is my invoice for May?", "Can I move notes to a folder?"]
SECOND = ["I forgot my password, what now?", "The bill of last month is missing", "How are notes sorted here?"]


def table(path: Path, label: str, values: Sequence[Any], header: Sequence[str] = ("id", "first", "second")) -> Path:
    """Rows of an id, two texts and a label, as many as there are values."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([*header, label])
        for number, value in enumerate(values):
            writer.writerow([number, f"{FIRST[number % 3]} {number}", f"{SECOND[number % 3]} {number}", value])
    return path


@pytest.mark.parametrize(
    ("label", "values", "task"),
    [
        ("same", [0, 1], {"kind": "binary"}),
        ("same", ["1.0", "0.0"], {"kind": "binary"}),
        ("same", [1, 2], {"kind": "binary", "classes": ["1", "2"]}),
        ("same", ["yes", "no"], {"kind": "binary", "classes": ["no", "yes"]}),
        ("same", ["alike", "unlike"], {"kind": "binary", "classes": ["unlike", "alike"]}),
        ("same", ["True", "False"], {"kind": "binary", "classes": ["False", "True"]}),
        ("relation", ["near", "far", "same"], {"kind": "multiclass", "classes": ["far", "near", "same"]}),
        ("class", [3, 10, 2], {"kind": "multiclass", "classes": ["2", "3", "10"]}),
        ("grade", [0, 1, 2, 3, 4], {"kind": "regression", "low": 0, "high": 4}),
        ("score", [0.25, 0.5, 0.75], {"kind": "regression", "low": 0, "high": 1}),
        ("score", [1.5, 3.25, 4.75], {"kind": "regression", "low": 1, "high": 5}),
        ("score", [-0.5, 0.5, 0.25], {"kind": "regression", "low": -1, "high": 1}),
    ],
)
def test_the_task_follows_from_the_values(label: str, values: list[Any], task: dict[str, Any], tmp_path: Path) -> None:
    found = guess_pairs(table(tmp_path / "a.csv", label, values * 10))
    assert (found.first, found.second, found.label) == ("first", "second", label)
    assert found.task == task
    Task.model_validate(found.task)
    assert (found.rows, found.empty_labels, found.empty_texts) == (len(values) * 10, 0, 0)


def test_ids_and_short_columns_are_neither_texts_nor_labels(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["pair_id", "uuid", "lang", "question1", "question2", "is_duplicate"])
        for n in range(30):
            uuid = f"{n:08d}-0000-4000-8000-00000000000000000000000000000000"
            writer.writerow([n % 7, uuid, ["en", "de", "fr"][n % 3], FIRST[n % 3], SECOND[n % 3], n % 2])
    found = guess_pairs(path)
    assert (found.first, found.second, found.label) == ("question1", "question2", "is_duplicate")


def test_the_options_say_otherwise(tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv", "grade", [0, 1, 2] * 10)
    found = guess_pairs(path, first="second", second="first", kind="multiclass")
    assert (found.first, found.second) == ("second", "first")
    assert found.task == {"kind": "multiclass", "classes": ["0", "1", "2"]}
    assert guess_pairs(path, second="first").first == "second"
    with pytest.raises(
        InputError, match=r"--label grad: .* has no such column; did you mean grade\?; it has 'id', 'first"
    ):
        guess_pairs(path, label="grad")
    with pytest.raises(InputError, match="column 'grade' has 3 different values, but task binary takes two"):
        guess_pairs(path, kind="binary")
    with pytest.raises(InputError, match="--task multi: choose regression, binary, multiclass"):
        named_kind("multi")


def test_what_is_missing_is_counted(tmp_path: Path) -> None:
    found = guess_pairs(table(tmp_path / "a.csv", "same", [0, 1, ""] * 10))
    assert (found.task, found.empty_labels) == ({"kind": "binary"}, 10)


@pytest.mark.parametrize("ending", ["tsv", "jsonl", "parquet"])
def test_every_kind_of_file(ending: str, tmp_path: Path) -> None:
    rows = [{"a": f"{FIRST[n % 3]} {n}", "b": f"{SECOND[n % 3]} {n}", "label": n % 2} for n in range(12)]
    path = tmp_path / f"pairs.{ending}"
    if ending == "parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        pq.write_table(pa.Table.from_pylist(rows), path)
    elif ending == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        path.write_text("\n".join(["a\tb\tlabel", *("\t".join(map(str, row.values())) for row in rows)]) + "\n")
    found = guess_pairs(path)
    assert (found.first, found.second, found.label, found.task) == ("a", "b", "label", {"kind": "binary"})


def test_a_file_without_labels_is_told_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("id,text\n" + "".join(f"{n},{FIRST[n % 3]} {n}\n" for n in range(9)))
    with pytest.raises(InputError, match=r"no column looks like labels .* or take --unlabelled .*a\.csv for texts"):
        guess_pairs(path)
    assert guess_texts(path) == ("text", 9)
    assert guess_texts(path, "id") == ("id", 9)
    with pytest.raises(InputError, match=r"--first txt: .* has no such column; did you mean text\?"):
        guess_texts(path, "txt")
    one = tmp_path / "b.csv"
    one.write_text("text,label\n" + "".join(f"{FIRST[n % 3]} {n},{n % 2}\n" for n in range(9)))
    with pytest.raises(InputError, match="two columns of texts are needed beside the label, 'label'"):
        guess_pairs(one)


def test_lines_of_text(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one text\nanother text\n")
    assert guess_texts(tmp_path / "a.txt") == ("text", 2)
    with pytest.raises(InputError, match="no such file"):
        guess_texts(tmp_path / "b.txt")
