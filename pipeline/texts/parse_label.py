"""A label as a file writes it: a number of the task's range, or the name of one of its classes."""

from __future__ import annotations

from pipeline.texts.numbers import GRAMMAR, parse_number, whole_name
from pipeline.texts.settings import ProblemKind, Task

SHOWN_CLASSES = 10


def parse_label(value: str | None, task: Task) -> float | ProblemKind:
    """A label as 0..1 or a class number, or what is wrong with it.

    Numbers are read by the grammar of `numbers`. A class is named as it is written, without the white space around it;
    a whole number that names none so is tried by its shortest name, so that `1.0` is class `1`. What JSON and Parquet
    hold comes as Python writes it: a number by the same grammar, a boolean as the word True or False.

    Args:
        task: with `low` and `high` known for regression.
    """
    if value is None or not value.strip():
        return "label"
    if task.kind == "regression":
        number = parse_number(value)
        if number is None:
            return "label"
        assert task.low is not None
        assert task.high is not None
        inside = task.low <= number <= task.high
        return (number - task.low) / (task.high - task.low) if inside else "label_range"
    name = value.strip()
    if name not in task.names:
        name = whole_name(name) or name
    return float(task.names.index(name)) if name in task.names else "label_range"


def allowed_labels(task: Task) -> str:
    """What a label may be, one clause."""
    if task.kind == "regression":
        known = task.low is not None and task.high is not None
        where = f" from {task.low:g} to {task.high:g}" if known else ""
        return f"a label of kind: regression is a number{where}, written in {GRAMMAR}"
    more = f", … ({len(task.names)} in all)" if len(task.names) > SHOWN_CLASSES else ""
    named = ", ".join(map(repr, task.names[:SHOWN_CLASSES]))
    return f"a label of kind: {task.kind} is the name of a class: {named}{more}"
