"""A file of pairs or texts → which of its columns hold the texts and the label, and what the label means."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_args

from decant.errors import InputError
from pipeline.recipe.seen_columns import MOST_CLASSES, Column, look_at
from pipeline.texts.numbers import parse_number, whole_name
from teachers.cross_encoders.fine_tune import TaskKind

LABEL_NAMES = {
    "label", "labels", "score", "similarity", "similarity_score", "gold", "gold_label", "target", "relevance", "class",
    "category", "rating", "grade", "is_duplicate", "duplicate", "is_match", "match", "y",
}  # fmt: skip
CLASS_NAMES = {"class", "category", "intent", "topic"}  # whose whole numbers are names
NEGATIVE = ("0", "no", "n", "f", "false", "neg", "negative", "different", "other", "none", "un", "not", "non", "dis")


@dataclass(frozen=True)
class Guess:
    """Columns of a file, what its labels mean, and what is missing in its rows."""

    first: str
    second: str
    label: str
    task: dict[str, Any]
    rows: int
    empty_texts: int
    empty_labels: int


def guess_pairs(
    path: Path,
    first: str | None = None,
    second: str | None = None,
    label: str | None = None,
    kind: TaskKind | None = None,
) -> Guess:
    """What a file of labelled pairs holds.

    Args:
        path: the file.
        first: column of the first text; default: found out, as all that follows.
        second: column of the second text.
        label: column of the label.
        kind: of the task.

    Raises:
        InputError: it cannot be read, has no such column, or none that could be it.
    """
    columns = {column.name: column for column in look_at(path)}
    _check_named(path, {"--first": first, "--second": second, "--label": label}, columns)
    others = [column for column in columns.values() if column.name not in (first, second)]
    chosen = columns[label] if label is not None else _label(path, others)
    texts = _texts(path, columns, [first, second], chosen)
    task = guess_task(chosen, kind)
    empty = sum(columns[name].empty for name in texts)
    return Guess(*texts, chosen.name, task, chosen.filled + chosen.empty, empty, chosen.empty)


def guess_texts(path: Path, named: str | None = None) -> tuple[str, int]:
    """The column that holds texts, and how many there are.

    Args:
        named: the column; default: the one of the longest texts.

    Raises:
        InputError: it cannot be read, has no such column, or none of texts.
    """
    columns = {column.name: column for column in look_at(path)}
    _check_named(path, {"--first": named}, columns)
    found = [columns[named]] if named is not None else _ranked(columns.values())
    if not found:
        raise InputError(f"{path}: no column holds texts; it has {_listed(columns)}")
    return found[0].name, found[0].filled


def named_kind(given: str | None) -> TaskKind | None:
    """The kind of task that `--task` names.

    Raises:
        InputError: it names none.
    """
    kinds = {kind: kind for kind in get_args(TaskKind)}
    if given is not None and given not in kinds:
        raise InputError(f"--task {given}: choose {', '.join(kinds)}{_meant(given, kinds)}")
    return kinds[given] if given is not None else None


def guess_task(column: Column, kind: TaskKind | None = None) -> dict[str, Any]:
    """The `texts.task` of a recipe that the values of a label column fit.

    Raises:
        InputError: they fit none, or not the kind that is asked for.
    """
    values = column.values
    if kind is None:
        kind = _kind(column)
    if kind == "regression":
        return _range(column)
    names = _class_names(column)
    least = 2 if kind == "binary" else 3
    if len(names) < least or (kind == "binary" and len(names) > 2) or len(names) > MOST_CLASSES:
        allowed = "two" if kind == "binary" else f"3 to {MOST_CLASSES}"
        raise InputError(
            f"column {column.name!r} has {len(values)} different values, but task {kind} takes {allowed}; name another "
            "column (--label), or another task (--task)"
        )
    return {"kind": kind} if kind == "binary" and names == ["0", "1"] else {"kind": kind, "classes": names}


def _kind(column: Column) -> TaskKind:
    names = _class_names(column)
    if len(names) == 2 and (column.is_whole or not column.is_number):
        return "binary"
    if column.is_number and not (column.is_whole and column.name.lower() in CLASS_NAMES):
        return "regression"
    return "multiclass"


def _class_names(column: Column) -> list[str]:
    if column.is_whole:
        return sorted({whole_name(value) or value for value in column.values}, key=int)
    names = sorted(column.values)
    if len(names) == 2 and not _is_negative(names[0]) and _is_negative(names[1]):
        names.reverse()
    return names


def _is_negative(name: str) -> bool:
    small = name.lower()
    return small in NEGATIVE or small.startswith(("un", "not", "non", "dis", "no ", "no_", "no-"))


def _range(column: Column) -> dict[str, Any]:
    if not column.is_number:
        odd = next(value for value in sorted(column.values) if parse_number(value) is None)
        raise InputError(
            f"column {column.name!r} holds {odd!r}, but task regression takes numbers; name another column (--label), "
            "or another task (--task)"
        )
    numbers = [number for value in column.values if (number := parse_number(value)) is not None]
    low, high = min(numbers), max(numbers)
    if low >= 0 and high <= 1 and not column.is_whole:
        return {"kind": "regression", "low": 0, "high": 1}
    if low == high:
        raise InputError(f"column {column.name!r}: every label is the same ({low:g}), so nothing can be learned")
    return {"kind": "regression", "low": math.floor(low), "high": math.ceil(high)}


def _label(path: Path, columns: Sequence[Column]) -> Column:
    """The column of labels: by its name, else by its values, and of several the last."""
    fitting = [column for column in columns if _may_be_label(column)]
    if not fitting:
        raise InputError(
            f"{path}: no column looks like labels (0 and 1, a few words, or numbers); name it by --label, or take "
            f"--unlabelled {path} for texts without; the columns are {_listed(column.name for column in columns)}"
        )

    def rank(place: int) -> tuple[bool, bool, bool, int]:
        column = fitting[place]
        named = column.name.lower() in LABEL_NAMES
        return not named, {*_class_names(column)} != {"0", "1"} if column.is_whole else True, not column.is_name, -place

    return fitting[min(range(len(fitting)), key=rank)]


def _may_be_label(column: Column) -> bool:
    name = column.name.lower()
    numbered = name in ("id", "index", "") or name.endswith(("_id", " id", "id_"))
    if column.is_number:
        counted = column.is_whole and len(column.values) == column.filled and name not in LABEL_NAMES
        return len(column.values) > 1 and not numbered and not counted
    return column.is_name and column.characters <= 30 * column.filled


def _texts(path: Path, columns: dict[str, Column], given: list[str | None], label: Column) -> tuple[str, str]:
    """The two columns of texts, in the order of the file where none is given."""
    taken = {name for name in given if name is not None} | {label.name}
    more = [column.name for column in _ranked(column for column in columns.values() if column.name not in taken)]
    wanted = given.count(None)
    if len(more) < wanted:
        raise InputError(
            f"{path}: two columns of texts are needed beside the label, {label.name!r}; name them by --first and "
            f"--second; the columns are {_listed(columns)}"
        )
    found = iter([name for name in columns if name in more[:wanted]])
    first, second = (name if name is not None else next(found) for name in given)
    return first, second


def _ranked(columns: Iterable[Column]) -> list[Column]:
    """Columns of texts: those of several words first, then by the length of their cells."""
    texts = [column for column in columns if column.filled and not column.is_number]
    return sorted(texts, key=lambda one: (one.spaced * 5 < one.filled, -one.characters / one.filled))


def _check_named(path: Path, given: dict[str, str | None], columns: Iterable[str]) -> None:
    for option, name in given.items():
        if name is not None and name not in columns:
            said = f"{option} {name}: {path} has no such column{_meant(name, columns)}"
            raise InputError(f"{said}; it has {_listed(columns)}")


def _meant(name: str, known: Iterable[str]) -> str:
    close = get_close_matches(name, list(known), n=1)
    return f"; did you mean {close[0]}?" if close else ""


def _listed(names: Iterable[str]) -> str:
    return ", ".join(map(repr, names))
