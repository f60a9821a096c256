"""One grammar of numbers, held to Python's own reading where that takes them, and stricter where it is too lax."""

import random

import pytest

from decant.errors import InputError
from pipeline.texts.numbers import label_number, parse_number, parse_whole, whole_name

NUMBERS = [
    "0",
    "5",
    "-1",
    "+2",
    "007",
    "2.50",
    "5.",
    ".5",
    "1e3",
    "1E-2",
    "-1.5e+2",
    "0.1",
    "1e-400",
    "-0",
    " 3\t",
    "4\r\n",
]
OTHERS = [
    "", " ", "1_0", "1_000.5", "٤", "²", "½", "４", "1,5", "1,000", "1 000", "0x1f", "0b1", "1e", "e1", ".", "+", "--1",
    "1.2.3", "nan", "NaN", "inf", "-Infinity", "1e400", "true", "\u00a01", "1\u2009", "1%", "1/2", "1:30", "−1", "1d",
    "1f", "(1)",
]  # fmt: skip


@pytest.mark.parametrize("text", NUMBERS)
def test_a_number_is_what_python_reads(text: str) -> None:
    assert parse_number(text) == float(text)
    assert str(parse_number(text)) == str(float(text)), "the sign of zero too"


@pytest.mark.parametrize("text", OTHERS)
def test_what_is_no_number(text: str) -> None:
    assert parse_number(text) is None
    assert parse_whole(text) is None


def test_whatever_python_writes_of_a_finite_number_is_read_back() -> None:
    draw = random.Random(0)
    for _ in range(500):
        number = draw.choice([draw.uniform(-10, 10), draw.uniform(-1, 1) * 10 ** draw.randint(-300, 300)])
        assert parse_number(repr(number)) == number


def test_whole_numbers() -> None:
    assert [parse_whole(text) for text in (" 3", "-2", "+4", "010")] == [3, -2, 4, 10]
    assert [parse_whole(text) for text in ("1.0", "1e2", "9" * 19)] == [None, None, None]
    assert [whole_name(text) for text in ("1", "1.0", " 2.00 ", "+3.", "-0.0", "01")] == ["1", "1", "2", "3", "0", "1"]
    assert [whole_name(text) for text in ("1.5", "1e0", "1_0", "٤", "nan", "", "1.0x", "9" * 5000)] == [None] * 8


def test_a_label_that_is_no_number_is_named_by_file_and_row() -> None:
    assert label_number(" 2.5", "a.tsv", 7) == 2.5
    for value, said in (
        ("low", "is not a number"), ("1_0", "is not a number"), ("٤", "is not a number"),
        (None, "None is not a number"),
        ("nan", "is not a finite number"), ("-inf", "is not a finite number"), ("1e999", "is not a finite number"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=rf"a\.tsv, row 7: the label .*{said}; write it in digits 0 to 9"):
            label_number(value, "a.tsv", 7)
