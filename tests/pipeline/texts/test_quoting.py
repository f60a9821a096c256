"""Quotes are read as the writer of the file meant them, or the file is refused; held to pandas and the csv module."""

import csv
import hashlib
import random
from itertools import product
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import pytest

from decant.errors import InputError
from pipeline.texts.load import load_texts
from pipeline.texts.quoting import Quoting, found_quoting, quoting_option
from pipeline.texts.sentences import SentenceSource, load_sentences
from pipeline.texts.settings import TextsSettings
from pipeline.texts.source import Source, data_folder, read_rows, source_digest

SEPARATORS = {".tsv": "\t", ".csv": ","}
COLUMNS = ("first", "second", "label")
Rows = list[list[str]]
Quotes = Literal[0, 1, 2, 3]

TEXTS: Rows = [
    ['He said "no", twice', "plain", "1"],
    ["a\tb", "c,d", "2"],
    ["two\nlines", "", "3"],
    ['"whole"', '"', "4"],
    ["naïve ☕", "'single'", "5"],
    ['ends in "quotes"', "\n\n", "0"],
]


def read(path: Path, columns: tuple[str, ...] = COLUMNS, quoting: Quoting | None = None) -> Rows:
    rows, _ = read_rows(Source(path=str(path), quoting=quoting), Path(), columns)
    return [[row[column] or "" for column in columns] for row in rows]


def by_pandas(path: Path, quoting: Quotes = csv.QUOTE_MINIMAL) -> Rows:
    frame = pd.read_csv(
        path, sep=SEPARATORS[path.suffix], quoting=quoting, dtype=str, keep_default_na=False, na_values=[],
        index_col=False,
    )  # fmt: skip
    return [[cell if isinstance(cell, str) else "" for cell in row] for row in frame.to_numpy().tolist()]


def by_pandas_written(path: Path, rows: Rows, columns: tuple[str, ...], **how: Any) -> Path:
    pd.DataFrame(rows, columns=list(columns)).to_csv(path, sep=SEPARATORS[path.suffix], index=False, **how)
    return path


def written(path: Path, content: str) -> Path:
    path.write_bytes(content.encode())
    return path


def test_a_pandas_table_of_quotes_tabs_and_line_ends_is_read_back(tmp_path: Path) -> None:
    for ending, quoting, ends, mark in product(
        SEPARATORS, (csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC), ("\n", "\r\n"), ("utf-8", "utf-8-sig")
    ):
        path = tmp_path / f"rows{ending}"
        by_pandas_written(path, TEXTS, COLUMNS, quoting=quoting, lineterminator=ends, encoding=mark)
        assert by_pandas(path) == TEXTS
        assert read(path) == TEXTS, (ending, quoting, ends, mark)


@pytest.mark.parametrize("text", ['a "b" c', '"', '""', 'x\n"', "a\tb", "a\nb\tc", '\t"\n"\t'])
def test_one_such_text_is_enough(text: str, tmp_path: Path) -> None:
    rows = [["plain", "one", "1"], [text, "two", "2"], ["plain", "three", "3"]]
    assert read(by_pandas_written(tmp_path / "rows.tsv", rows, COLUMNS)) == rows


def test_random_tables_of_pandas_are_read_as_pandas_reads_them_or_refused(tmp_path: Path) -> None:
    draw, refused = random.Random(0), 0
    for _ in range(300):
        columns = COLUMNS[: draw.randint(1, 3)]
        letters = draw.choice(['"a', '"ab\t', 'ab"\n', '"a\t\n,'])
        rows = [
            ["".join(draw.choices(letters, k=draw.randint(0, 5))) for _ in columns] for _ in range(draw.randint(1, 6))
        ]
        path = tmp_path / f"rows{draw.choice(['.tsv', '.csv'])}"
        by_pandas_written(path, [["a"] * len(columns), *rows], columns)
        try:
            assert read(path, columns) == by_pandas(path), path.read_bytes()
        except InputError as error:
            assert "say quoting: csv" in str(error)  # noqa: PT017
            refused += 1
    assert refused < 15


@pytest.mark.parametrize(
    "texts",
    [
        ['"I came', "I saw", "I won"],
        ['He said "no"', "x", "y"],
        ['"whole"', 'a "part"', "x"],
        ['"whole"', '"whole" and more', "x"],
        ['5" disk', "x", '"'],
        ['""', '"lone', "x"],
    ],
)
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_plain_quotes_of_a_tsv_file_are_characters(texts: list[str], ends: str, tmp_path: Path) -> None:
    rows = [[text, "second", str(number)] for number, text in enumerate(texts)]
    path = written(tmp_path / "rows.tsv", ends.join("\t".join(row) for row in [COLUMNS, *rows]) + ends)
    with path.open(newline="") as file:
        assert list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))[1:] == rows
    assert read(path) == rows


def test_every_public_table_is_read_as_it_is_written() -> None:
    folder = data_folder()
    if folder is None:
        pytest.skip("no folder of public sets: DECANT_DATA is not set, and ../shared/data is not there")
    paths = sorted(folder.rglob("*.tsv"))
    for path in paths:
        header, *rows = (line.split("\t") for line in path.read_text(encoding="utf-8").splitlines() if line)
        assert read(path, tuple(header)) == rows, path
    assert paths


UNDECIDED = 'first\tsecond\tlabel\nx\ty\t1\n"whole"\tz\t2\n'
BOTH_FIT = 'first\tsecond\tlabel\n"I came\tx\t1\nI saw"\ty\t2\n'
ONE_COLUMN = 'first\n"I came.\nI saw."\n'


@pytest.mark.parametrize(("content", "row"), [(UNDECIDED, 2), (BOTH_FIT, 1), (ONE_COLUMN, 1)])
def test_what_the_content_does_not_decide_is_refused_and_the_setting_decides(
    content: str, row: int, tmp_path: Path
) -> None:
    path = written(tmp_path / "rows.tsv", content)
    columns = tuple(content.split("\n")[0].split("\t"))
    with pytest.raises(InputError, match=rf"rows\.tsv, row {row}: whole cells stand in quotes.*say quoting: csv.*none"):
        read(path, columns)
    assert read(path, columns, "csv") == by_pandas(path)
    assert read(path, columns, "none") == by_pandas(path, csv.QUOTE_NONE)
    assert by_pandas(path) != by_pandas(path, csv.QUOTE_NONE)


@pytest.mark.parametrize(
    ("rows", "reading"),
    [
        ('"I came\tx\t1\nI saw"\ty\t2\n"a\tb"\tz\t3\n', csv.QUOTE_MINIMAL),  # row 2 is one of CSV alone
        ('"I came\tx\t1\nI saw\ty"\t2\n', csv.QUOTE_NONE),  # taken as CSV, this is a row of two cells
    ],
)
def test_the_width_of_rows_decides(rows: str, reading: Quotes, tmp_path: Path) -> None:
    path = written(tmp_path / "rows.tsv", "\t".join(COLUMNS) + "\n" + rows)
    assert read(path) == by_pandas(path, reading)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ('"a ""b"""\tx\t1\n5" disk\ty\t2\n', r"row 1 is quoted as CSV quotes, but row 2 has a quote inside a cell"),
        ('x\ty\t1\n"a ""b"""\tx\t1\n"a" b\ty\t2\n', r"row 2 .*, but row 3 has text behind a closing quote"),
        ('"a ""b"""\tx\t1\n"open\ty\t2\n', r"row 1 .*, but row 2 has a quote that none closes"),
        ('"two\nlines"\tx\t1\na "b"\ty\t2\n', r"row 1 .*, but row 2 has a quote inside"),
        (
            '"a ""b"""\tx\t1\n"I came\tx\t1\nI saw\ty"\t2\n',
            r"row 1 .*, but row 2 has as many cells as the header only if its quotes enclose nothing",
        ),
    ],
)
def test_a_tsv_file_that_speaks_for_both_is_refused(rows: str, said: str, tmp_path: Path) -> None:
    path = written(tmp_path / "rows.tsv", "\t".join(COLUMNS) + "\n" + rows)
    with pytest.raises(InputError, match=rf"rows\.tsv: {said}.*; mend it, or say quoting: csv"):
        read(path)
    assert read(path, quoting="none")[0][1:] in (["x", "1"], ["y", "1"], ["", ""])


def test_a_quoted_header_is_csv_whatever_the_cells_are(tmp_path: Path) -> None:
    path = written(tmp_path / "rows.tsv", '"first"\t"second"\t"label"\n"a"\t"b"\t1\n')
    assert read(path) == by_pandas(path) == [["a", "b", "1"]]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ('"He said,x,1\nfoo,"y",2\n"a" b,c,3\n', r"row 1 has text behind a closing quote, which CSV has not"),
        ('"a" b,x,1\n', r"row 1 has text behind a closing quote"),
        ('x,y,1\n"whole",5" disk,2\n', r"row 2 has a quote inside a cell that begins without one"),
        ('"I came,x,1\nI saw,y",2\n', r"row 1 has as many cells as the header only if its quotes enclose nothing"),
    ],
)
def test_a_csv_file_without_csvs_quoting_is_refused(rows: str, said: str, tmp_path: Path) -> None:
    path = written(tmp_path / "rows.csv", ",".join(COLUMNS) + "\n" + rows)
    with pytest.raises(InputError, match=rf"rows\.csv, {said}.*say quoting: csv .* quoting: none"):
        read(path)
    plain = [line.split(",") for line in rows.splitlines()]
    assert read(path, quoting="none") == [row for row in plain if len(row) == 3] == plain


@pytest.mark.parametrize(
    "rows",
    ['"whole",x,1\n', '"",x,1\n', '5" disk,x,1\n', '"Smith, John",5" disk,1\n', '"a ""b""",c "d",1\n', "'x',y,1\n"],
)
def test_what_every_reader_of_csv_agrees_on_is_read_so(rows: str, tmp_path: Path) -> None:
    path = written(tmp_path / "rows.csv", ",".join(COLUMNS) + "\n" + rows)
    with path.open(newline="") as file:
        assert read(path) == by_pandas(path) == list(csv.reader(file))[1:]


def test_an_open_quote_says_what_to_do(tmp_path: Path) -> None:
    path = written(tmp_path / "rows.csv", 'first,second,label\na,b,1\n"open,c,2\n')
    with pytest.raises(
        InputError, match=r"rows\.csv cannot be read: row 2 opens a quote that is never closed; close it, or say quo"
    ):
        read(path)
    assert read(path, quoting="none") == [["a", "b", "1"], ['"open', "c", "2"]]


def test_csv_that_is_stated_must_be_csv(tmp_path: Path) -> None:
    path = written(tmp_path / "rows.tsv", 'first\tsecond\tlabel\n"a"\t5" disk\t1\n')
    assert read(path, quoting="csv") == by_pandas(path) == [["a", '5" disk', "1"]]
    written(path, 'first\tsecond\tlabel\n5" disk\tb\t1\n"a" b\tc\t2\n')
    with pytest.raises(InputError, match=r"rows\.tsv, row 2 has text behind a closing quote, which CSV has not"):
        read(path, quoting="csv")


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64])
def test_where_the_parts_that_are_read_end_does_not_matter(
    size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.texts.quoting.READ_BYTES", size)
    monkeypatch.setattr("pipeline.texts.quote_signs.READ_BYTES", size)
    for ends in ("\n", "\r\n"):
        path = by_pandas_written(tmp_path / "rows.tsv", TEXTS, COLUMNS, lineterminator=ends)
        assert read(path) == TEXTS
        written(path, UNDECIDED.replace("\n", ends))
        with pytest.raises(InputError, match="row 2: whole cells stand in quotes"):
            read(path)
    written(path, "\ufeff" + UNDECIDED.replace('"', "'"))
    assert found_quoting(path) == "none"


def test_rows_behind_cells_of_several_lines_have_their_number(tmp_path: Path) -> None:
    rows = [["one\ntwo", "b", "1"], ["c\n\nd", "e", "5"], ["f", "g", "high"]]
    path = by_pandas_written(tmp_path / "rows.tsv", rows, ("sentence1", "sentence2", "label"))
    task = {"kind": "regression", "low": 0, "high": 5}
    settings = TextsSettings.model_validate({"task": task, "train": str(path), "test": str(path)})
    with pytest.raises(InputError, match=r"row 3 has a label that cannot be read \('high'\)"):
        load_texts(settings, tmp_path)


def test_texts_without_labels_are_read_by_the_same_rule(tmp_path: Path) -> None:
    path = by_pandas_written(tmp_path / "texts.tsv", [['a "b"', "x"], ["c", "y"]], ("text", "more"))
    assert load_sentences([SentenceSource(path=str(path))], tmp_path, {}).texts == ['a "b"', "c"]
    written(path, 'text\tmore\n"a"\tx\n')
    with pytest.raises(InputError, match=r"texts\.tsv, row 1: whole cells stand in quotes"):
        load_sentences([SentenceSource(path=str(path))], tmp_path, {})
    assert load_sentences([SentenceSource(path=str(path), quoting="none")], tmp_path, {}).texts == ['"a"']


def test_quoting_goes_with_tables_alone(tmp_path: Path) -> None:
    written(tmp_path / "rows.jsonl", '{"first": "a"}\n')
    with pytest.raises(InputError, match=r"rows\.jsonl: quoting is of \.tsv and \.csv files; leave it out"):
        read_rows(Source(path="rows.jsonl", quoting="csv"), tmp_path, ("first",))
    with pytest.raises(ValueError, match="quoting is of .tsv and .csv files, and a hub dataset has none"):
        Source(hub="org/set", quoting="csv")
    with pytest.raises(InputError, match="--quoting tabs: choose none or csv"):
        quoting_option("tabs")
    assert [quoting_option(given) for given in (None, "none", "csv")] == [None, "none", "csv"]
    (tmp_path / "set").mkdir()
    written(tmp_path / "set" / "dev.tsv", UNDECIDED)
    found, _ = read_rows(Source(path="set", split="dev", quoting="csv"), tmp_path, ("first",))
    assert found == [{"first": "x"}, {"first": "whole"}]


def test_what_is_said_of_quotes_is_part_of_a_digest_and_what_is_found_is_not(tmp_path: Path) -> None:
    content = UNDECIDED.encode()
    (tmp_path / "rows.tsv").write_bytes(content)
    assert (
        source_digest(Source(path="rows.tsv"), tmp_path) == hashlib.sha256(hashlib.sha256(content).digest()).hexdigest()
    )
    digests = {source_digest(Source(path="rows.tsv", quoting=one), tmp_path) for one in (None, "csv", "none")}
    assert len(digests) == 3
