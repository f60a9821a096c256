"""Rows with the types that datasets gives them: of the hub, of a folder that datasets saved, of a .parquet file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
from datasets.table import table_cast

from decant.errors import InputError
from decant.temporary import raised_for
from pipeline.texts.delimited import ROWS_AT_ONCE
from pipeline.texts.lines import as_text
from pipeline.texts.source import DATA_VARIABLE, Row, Source, as_rows, check_columns

READ_BYTES = 2**20  # of a column at once: a row group may be the whole file


def hub_rows(source: Source, columns: tuple[str, ...]) -> tuple[Iterator[list[Row]], str]:
    """A hub dataset's rows, some thousand at a time, and its name for messages.

    Raises:
        InputError: it cannot be reached, or lacks a column.
    """
    name = f"hub dataset {source.hub}" + (f" ({source.config})" if source.config else "") + f", {source.split}"
    try:
        loaded = datasets.load_dataset(source.hub, source.config, split=source.split, trust_remote_code=False)
    except Exception as error:  # datasets passes on whatever its readers and the network raise
        instead = f"; or put {source.data} into a folder and set {DATA_VARIABLE} to it" if source.data else ""
        said = f"{name} cannot be reached ({type(error).__name__}): connect to the hub{instead}"
        raise raised_for(error)(said) from error
    return _wanted(loaded, columns, name, source.rename), name


def folder_rows(folder: Path, columns: tuple[str, ...]) -> Iterator[list[Row]]:
    """The rows of what `save_to_disk` wrote, some thousand at a time."""
    _quiet()
    return _wanted(datasets.load_from_disk(str(folder)), columns, str(folder), {})


def parquet_rows(path: Path, columns: tuple[str, ...]) -> Iterator[list[Row]]:
    """The rows of a .parquet file, some thousand at a time."""
    _quiet()
    check_columns(list(pq.read_schema(path).names), columns, str(path))  # one of them may stand there twice
    features, rows = read_features(path)
    _check_features(features, rows, columns, str(path))
    return _parts(table_parts(path, features, columns), features, columns)


def read_features(path: Path) -> tuple[datasets.Features, int]:
    """The type of each column, by what datasets has noted in the file or by Arrow's types, and the number of rows.

    Columns that share their name with another are left out.

    Raises:
        ValueError: datasets has no such type.
    """
    with pq.ParquetFile(path) as file:
        schema, rows = file.schema_arrow, file.metadata.num_rows
    single = [field for field in schema if schema.names.count(field.name) == 1]
    return datasets.Features.from_arrow_schema(pa.schema(single, schema.metadata)), rows


def table_parts(path: Path, features: datasets.Features, columns: Sequence[str]) -> Iterator[pa.Table]:
    """The wanted columns of some thousand rows at a time; the others are not read."""
    schema = datasets.Features({name: features[name] for name in columns}).arrow_schema
    with pq.ParquetFile(path, buffer_size=READ_BYTES, pre_buffer=False) as file:
        for batch in file.iter_batches(ROWS_AT_ONCE, columns=list(schema.names)):
            # a name finds the parts of a nested column, too, and so may bring others along
            yield table_cast(pa.table({name: batch.column(name) for name in schema.names}), schema)


def _quiet() -> None:
    """What goes wrong is raised in one line instead."""
    datasets.disable_progress_bars()
    datasets.logging.set_verbosity(datasets.logging.CRITICAL)


def _wanted(
    loaded: datasets.Dataset, columns: tuple[str, ...], name: str, rename: Mapping[str, str]
) -> Iterator[list[Row]]:
    named = {old: rename.get(old, old) for old in loaded.column_names}
    check_columns(list(named.values()), columns, name)
    asked = {old: new for old, new in named.items() if new in columns}
    loaded = loaded.select_columns(list(asked)).rename_columns(asked)
    _check_features(loaded.features, len(loaded), columns, name)
    return _parts(loaded.with_format("arrow").iter(batch_size=ROWS_AT_ONCE), loaded.features, columns)


def _parts(tables: Iterator[pa.Table], features: datasets.Features, columns: tuple[str, ...]) -> Iterator[list[Row]]:
    names = {c: features[c].names for c in columns if isinstance(features[c], datasets.ClassLabel)}
    for table in tables:
        values: list[list[str | None]] = []
        for column in columns:
            cells = table.column(column).to_pylist()
            if column in names:
                values.append([names[column][cell] if cell is not None and cell >= 0 else None for cell in cells])
            else:
                values.append([as_text(cell) for cell in cells])
        yield as_rows(columns, values)


def _check_features(features: datasets.Features, rows: int, columns: tuple[str, ...], name: str) -> None:
    """Refuse what has no rows or not these columns, or whose cells are decoded: an image's may name any file or URL."""
    check_columns(list(features), columns, name)
    if rows == 0:
        raise InputError(f"{name} has a header but no rows")
    for column in columns:
        kind = features[column]
        if not isinstance(kind, datasets.Value | datasets.ClassLabel) or "binary" in str(getattr(kind, "dtype", "")):
            said = kind.dtype if isinstance(kind, datasets.Value) else type(kind).__name__
            raise InputError(f"{name}: column {column!r} holds {said}, not texts or numbers; name another column")
