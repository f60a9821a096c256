"""Which columns a file has, before any of its rows is read."""

from __future__ import annotations

from pathlib import Path

from pipeline.texts.delimited import read_header
from pipeline.texts.lines import TEXT, read_names
from pipeline.texts.quoting import found_quoting
from pipeline.texts.sentences import SentenceSource
from pipeline.texts.source import LINES, SUFFIXES, check_readable, local_file


def column_names(path: Path) -> list[str]:
    """The names of a file's columns, in its order; those of a .jsonl file are the keys of its first object.

    Raises:
        InputError: it is not there, or cannot be read.
    """
    local_file(SentenceSource(path=str(path.resolve())), Path())
    check_readable(path)
    if path.suffix == LINES:
        return [TEXT]
    kind = SUFFIXES[path.suffix]
    if kind == "csv":
        return read_header(path, found_quoting(path))[0]
    if kind == "json":
        return read_names(path)
    import pyarrow.parquet as pq

    return list(pq.read_schema(path).names)
