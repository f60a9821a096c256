"""Labels by the grammar of numbers and the names of classes; what is neither is told apart."""

import pytest

from pipeline.texts.parse_label import parse_label
from pipeline.texts.settings import Task

STARS = Task(kind="regression", low=1, high=5)
BINARY = Task(kind="binary")
NAMED = Task(kind="binary", classes=("not_entailment", "entailment"))
TENS = Task(kind="multiclass", classes=("1", "2", "10"))
FLOATS = Task(kind="multiclass", classes=("0.0", "1.0", "2.0"))
THREE = Task(kind="multiclass", classes=("0", "1", "many"))


@pytest.mark.parametrize(
    ("task", "value", "expected"),
    [
        (STARS, "1", 0.0),
        (STARS, "5", 1.0),
        (STARS, " 2.0 ", 0.25),
        (STARS, "2e0", 0.25),
        (STARS, "0.999", "label_range"),
        (STARS, "5.001", "label_range"),
        (STARS, "inf", "label"),
        (STARS, "nan", "label"),
        (STARS, "abc", "label"),
        (STARS, "", "label"),
        (STARS, "  ", "label"),
        (STARS, None, "label"),
        (STARS, "1,5", "label"),
        (STARS, "1_0", "label"),
        (STARS, "٤", "label"),
        (STARS, "1e400", "label"),
        (STARS, "True", "label"),
        (BINARY, "0", 0.0),
        (BINARY, "1", 1.0),
        (BINARY, "1.0", 1.0),
        (BINARY, " 1 ", 1.0),
        (BINARY, "2", "label_range"),
        (BINARY, "-1", "label_range"),
        (BINARY, "0.5", "label_range"),
        (BINARY, "yes", "label_range"),
        (BINARY, "nan", "label_range"),
        (BINARY, "inf", "label_range"),
        (NAMED, "entailment", 1.0),
        (NAMED, "not_entailment", 0.0),
        (NAMED, "Entailment", "label_range"),
        (NAMED, "1", "label_range"),
        (THREE, "many", 2.0),
        (THREE, "1.0", 1.0),
        (THREE, "3", "label_range"),
        (THREE, "1_0", "label_range"),
        (TENS, "10", 2.0),
        (TENS, "10.0", 2.0),
        (TENS, "1_0", "label_range"),
        (TENS, "١٠", "label_range"),
        (TENS, "True", "label_range"),
        (FLOATS, "1.0", 1.0),
        (FLOATS, "1", "label_range"),
    ],
)
def test_label(task: Task, value: str | None, expected: float | str) -> None:
    assert parse_label(value, task) == expected
