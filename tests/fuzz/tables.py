"""Files of pairs and texts: TSV, CSV, JSONL, Parquet, text."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import strategies as st

from pipeline.texts.labelled_pairs import read_labelled
from pipeline.texts.load import load_texts, read_texts, save_texts
from pipeline.texts.parse_label import parse_label
from pipeline.texts.sentences import SentenceSource, load_sentences
from pipeline.texts.settings import Task, TextsSettings
from tests.fuzz.bounds import works_or_refuses
from tests.fuzz.mutate import changed, spoiled, values
from tests.fuzz.target import Target

COLUMNS = ("sentence1", "sentence2", "label")
ROWS = [
    ("a b", "c d", "1.5"),
    ("e", "f", "2"),
    ('g "h"', "i", "0"),
    ("j", "k,l", "4"),
    ("m", "n", "3"),
    ("o", "p", "5"),
]
BITS = (
    b"\0", b"\xff", b"\n", b"\r", b"\r\n", b"\t", b'"', b",", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"nan", b"1e999", b"{",
    b"[]", b"null", b"\\ud800", b"x" * 200_000, b"9" * 5000, b'"""', b"sentence1\t", b"\x1a", b'{"a":' * 2000,
    b"[" * 100_000, b"\xc2\x85", b"\xe2\x80\xa8", b"\x1b[2J", b"label\tlabel", b"\\",
)  # fmt: skip
TASKS = [Task(kind="regression", low=0, high=5), Task(kind="binary"), Task(kind="multiclass", classes=("a", "b", "c"))]
LABELS = ["1e400", "nan", "inf", "-inf", "9" * 5000, "1_0", "٣", "²", "0x1", "1e308", " 1 ", "infinity", "1e309"]
TYPES = [
    pa.string(), pa.int64(), pa.float64(), pa.bool_(), pa.binary(), pa.timestamp("us"), pa.date32(), pa.time64("us"),
    pa.duration("s"), pa.list_(pa.string()), pa.struct([("a", pa.string())]), pa.dictionary(pa.int32(), pa.string()),
    pa.null(), pa.decimal128(10, 2), pa.large_string(), pa.map_(pa.string(), pa.int64()), pa.string_view(),
    pa.float16(), pa.list_(pa.int8(), 2), pa.uint64(), pa.timestamp("ns", "Europe/Berlin"),
]  # fmt: skip
FEATURES = '{"info": {"features": {"sentence1": %s}}}'
METADATA = [
    None, {b"huggingface": b"{"}, {b"huggingface": b"[]"}, {b"pandas": b"{}"}, {b"\xff": b"\xff"},
    *({b"huggingface": (FEATURES % one).encode()} for one in (
        '{"_type": "Image"}', '{"_type": "Nope"}', '{"_type": "ClassLabel", "names": ["a"]}', "[]", "3",
        '{"_type": "Value", "dtype": "nope"}', '{"_type": "Array2D", "shape": [9, 9], "dtype": "int8"}',
    )),
]  # fmt: skip


def separated(separator: str) -> bytes:
    """The good rows as TSV or CSV."""
    quoted = [[f'"{cell}"' if "," in cell and separator == "," else cell for cell in row] for row in ROWS]
    return "".join(separator.join(row) + "\n" for row in [COLUMNS, *quoted]).encode()


def parquet(table: pa.Table) -> bytes:
    """A table as the content of a Parquet file."""
    content = io.BytesIO()
    pq.write_table(table, content)
    return content.getvalue()


@st.composite
def tables(draw: st.DrawFn) -> bytes:
    """Parquet files of any column types and metadata, of a few rows."""
    names = draw(st.lists(st.sampled_from([*COLUMNS, *COLUMNS, "x", "", "a\nb", "a.b"]), min_size=1, max_size=4))
    rows = draw(st.integers(0, 3))
    columns = [_cells(draw, draw(st.sampled_from(TYPES)), rows) for _ in names]
    table = pa.table(columns, names=names).replace_schema_metadata(draw(st.sampled_from(METADATA)))
    try:
        return parquet(table)
    except (pa.ArrowException, TypeError):  # types that Parquet has not
        return b""


def _cells(draw: st.DrawFn, kind: pa.DataType, rows: int) -> pa.Array:
    for given in draw(st.permutations([[2**62], ["é"], [float("nan")], [b"\xff"], [["a", "b"]], [{"a": "b"}], [0]])):
        try:
            return pa.array(given * rows).cast(kind)
        except (pa.ArrowException, TypeError):
            continue
    return pa.nulls(rows, kind)


def table_targets(place: Path) -> list[Target]:
    """Targets that write into `place`."""

    def reader(ending: str) -> Callable[[bytes], None]:
        return lambda content: read_everywhere(place / f"file{ending}", content)

    def rows(content: list[Any]) -> None:
        read_everywhere(place / "file.jsonl", "\n".join(json.dumps(row) for row in content).encode())

    lines = "".join(json.dumps(dict(zip(COLUMNS, row, strict=True))) + "\n" for row in ROWS).encode()
    good = parquet(pa.table({name: [row[i] for row in ROWS] for i, name in enumerate(COLUMNS)}))
    labels = st.tuples(
        st.one_of(st.none(), st.text(max_size=8), st.sampled_from(LABELS), st.floats().map(str)), st.sampled_from(TASKS)
    )
    row = st.one_of(changed(dict(zip(COLUMNS, ROWS[0], strict=True))), values)
    return [
        Target("TSV", spoiled([separated("\t")], BITS), reader(".tsv"), (), 12, 25),
        Target("CSV", spoiled([separated(",")], BITS), reader(".csv"), (), 12, 25),
        Target(
            "JSONL, bytes", spoiled([lines], BITS), reader(".jsonl"), [b"[" * 10**5, lines + b'{"a":' * 10**5], 30, 80
        ),
        Target("JSONL, values", st.lists(row, max_size=4), rows, [[{"sentence1": "\ud800"}]], 30, 80),
        Target("Parquet, bytes", spoiled([good]), reader(".parquet"), (), 20, 60),
        Target("Parquet, types", tables(), reader(".parquet"), (), 20, 40),
        Target("texts, a line each", spoiled([b"a\nb c\n\xc3\xa9\n"], BITS), reader(".txt"), (), 50, 100),
        Target("labels", labels, lambda given: works_or_refuses(parse_label, *given), (), 300, 1500),
    ]


def read_everywhere(path: Path, content: bytes) -> None:
    """Read a file as pairs to train on, as pairs to measure on, and as texts."""
    path.write_bytes(content)
    if path.suffix != ".txt":
        works_or_refuses(read_labelled, path, *COLUMNS)
        task = {"kind": "regression", "low": 0, "high": 5}
        settings = TextsSettings.model_validate({"task": task, "train": str(path), "test": str(path)})
        texts = works_or_refuses(load_texts, settings, path.parent)
        if texts is not None:
            save_texts(texts, path.parent / "saved")
            assert read_texts(path.parent / "saved").train.pairs == texts.train.pairs
    column = "text" if path.suffix == ".txt" else "sentence1"
    source = SentenceSource(path=str(path), columns=(column,))
    works_or_refuses(load_sentences, [source], path.parent, {"encoding": "drop", "empty": "drop"})
