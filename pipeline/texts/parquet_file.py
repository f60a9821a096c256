"""A .parquet file → batches of its columns, some thousand rows at a time, with the types that datasets gives them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
from datasets.table import table_cast

from pipeline.texts.delimited import ROWS_AT_ONCE

READ_BYTES = 2**20  # of a column at once: a row group may be the whole file


def read_column_names(path: Path) -> list[str]:
    """The names of the columns as they stand there, one of them perhaps twice."""
    return list(pq.read_schema(path).names)


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
