"""One source of rows: a file, a folder or a hub dataset, read into columns of strings."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import ClassVar

from pydantic import BaseModel, Field, model_validator

from decant.errors import InputError
from decant.files import expand_user, is_there, sha256_of
from decant.temporary import raised_for
from pipeline.texts.beir_texts import beir_rows, is_beir
from pipeline.texts.delimited import column_parts, read_header
from pipeline.texts.lines import TEXT, line_parts, object_parts, read_names
from pipeline.texts.quoting import SEPARATORS, Quoting, found_quoting

LINES = ".txt"  # a text a line, without a header: one column named text
SUFFIXES = {".tsv": "csv", ".csv": "csv", ".jsonl": "json", ".parquet": "parquet"}
DATA_VARIABLE = "DECANT_DATA"
DEFAULT_DATA = Path("../shared/data")
SNIFFED_BYTES = 8192

Row = dict[str, str | None]


class Source(BaseModel, frozen=True, extra="forbid"):
    """Where one split's rows are. A plain string in a recipe is short for `{path: ...}`."""

    endings: ClassVar[tuple[str, ...]] = tuple(SUFFIXES)
    retrieval: ClassVar[bool] = False
    """Whether a folder in BEIR's layout is a source, too."""

    path: str | None = Field(
        None, description="file (.tsv .csv .jsonl .parquet) or folder, beside the recipe or absolute"
    )
    hub: str | None = Field(None, description="hub dataset id, such as nyu-mll/glue")
    config: str | None = Field(None, description="the hub dataset's configuration, such as mrpc")
    split: str = Field("train", description="the hub dataset's or folder's split")
    data: str | None = Field(
        None, description="file under the folder in DECANT_DATA, alone or taken instead of the hub dataset"
    )
    rename: dict[str, str] = Field(
        default_factory=dict, description="the hub dataset's column: the recipe's name for it"
    )
    quoting: Quoting | None = Field(
        None,
        description="quotes in a .tsv or .csv file; csv: they enclose cells, none: are characters; default: found out",
    )

    @model_validator(mode="before")
    @classmethod
    def _from_string(cls, value: object) -> object:
        return {"path": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _one_place(self) -> Source:
        nowhere = self.path is None and self.hub is None and self.data is None
        if nowhere or (self.path is not None and self.hub is not None):
            raise ValueError("give either path (a file or folder) or hub (a dataset id), not both; or data alone")
        if self.quoting is not None and self.path is None and self.data is None:
            raise ValueError("quoting is of .tsv and .csv files, and a hub dataset has none; leave it out")
        return self


def data_folder() -> Path | None:
    """The folder in DECANT_DATA, else ../shared/data where it is there, else None.

    Raises:
        InputError: DECANT_DATA names no folder.
    """
    stated = os.environ.get(DATA_VARIABLE)
    if stated:
        if not Path(stated).is_dir():
            raise InputError(f"{DATA_VARIABLE}={stated} is not a folder")
        return Path(stated)
    return DEFAULT_DATA if DEFAULT_DATA.is_dir() else None


def local_file(source: Source, base: Path) -> Path | None:
    """The file or folder that a source is read from, or None where it comes from the hub.

    Args:
        base: the recipe's folder.

    Raises:
        InputError: the path is not there, has an ending that cannot be read, or no quotes that the source could say
            anything of.
    """
    path = _data_file(source) if source.path is None else base / expand_user(source.path)
    if path is None:
        return None
    if not is_there(path):
        raise InputError(f"{path}: no such file or folder")
    if path.is_dir() and not (source.retrieval and is_beir(path)):
        path = _split_file(path, source)
    elif path.is_file() and path.suffix not in source.endings:
        ending = path.suffix or "a file without an ending"
        raise InputError(f"{path}: cannot read {ending!r}; give one of {', '.join(source.endings)}")
    if source.quoting is not None and (path.is_dir() or path.suffix not in SEPARATORS):
        raise InputError(f"{path}: quoting is of {' and '.join(SEPARATORS)} files; leave it out")
    return path


def source_digest(source: Source, base: Path) -> str:
    """Sha256 of the file's content, and of what is said of its quotes; for the hub, of what is asked for."""
    path = local_file(source, base)
    if path is None:
        return hashlib.sha256(source.model_dump_json(exclude={"quoting"}).encode()).hexdigest()
    digest = hashlib.sha256(f"quoting: {source.quoting}".encode() if source.quoting is not None else b"")
    for file in sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]:
        digest.update(bytes.fromhex(sha256_of(file)))
    return digest.hexdigest()


def read_rows(source: Source, base: Path, columns: tuple[str, ...]) -> tuple[list[Row], str]:
    """Every row's wanted columns as strings (None where empty), and the name to use for it in messages.

    Raises:
        InputError: unreachable, unreadable, without rows, or without one of the columns.
    """
    parts, name = row_parts(source, base, columns)
    return list(chain.from_iterable(parts)), name


def row_parts(source: Source, base: Path, columns: tuple[str, ...]) -> tuple[Iterator[list[Row]], str]:
    """As `read_rows`, some thousand rows at a time; no more than those are in memory.

    Raises:
        InputError: as `read_rows`; what is wrong further down is told when it is reached.
    """
    path = local_file(source, base)
    if path is None:
        from pipeline.texts.dataset_rows import hub_rows

        return hub_rows(source, columns)
    if source.retrieval and is_beir(path):
        return _told(beir_rows(path, source.split, columns), path), str(path)
    check_readable(path)
    try:
        parts = _file_parts(path, columns, source.quoting)
    except (InputError, ModuleNotFoundError):
        raise
    except Exception as error:  # csv, pyarrow and datasets each raise their own
        raise _unreadable(path, error) from error
    return _told(parts, path), str(path)


def _told(parts: Iterator[list[Row]], path: Path) -> Iterator[list[Row]]:
    try:
        yield from parts
    except InputError:
        raise
    except Exception as error:  # as above, in the middle of a file
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> InputError:
    return raised_for(error)(f"{path} cannot be read: {_cause(error)}")


def _data_file(source: Source) -> Path | None:
    folder = data_folder()
    found = folder / source.data if folder is not None and source.data is not None else None
    if found is not None and is_there(found):
        return found
    if source.hub is None:
        where = f"set {DATA_VARIABLE} to the folder that holds it" if folder is None else f"{folder} has no such file"
        raise InputError(f"data: {source.data} is not there; {where}")
    return None


def _split_file(folder: Path, source: Source) -> Path:
    if (folder / "dataset_info.json").is_file() or (folder / "dataset_dict.json").is_file():
        return folder if (folder / "dataset_info.json").is_file() else folder / source.split
    for ending in source.endings:
        if (folder / f"{source.split}{ending}").is_file():
            return folder / f"{source.split}{ending}"
    endings = ", ".join(source.endings)
    raise InputError(f"{folder}: no {source.split} in it; expected {source.split} with one of the endings {endings}")


def check_readable(path: Path) -> None:
    """Refuse an empty file, and a binary one that is to be text.

    Raises:
        InputError: names it.
    """
    if path.is_dir() or path.suffix == ".parquet":
        return
    with path.open("rb") as file:
        start = file.read(SNIFFED_BYTES)
    if not start.strip():
        needed = "a text a line is" if path.suffix == LINES else "a header line and rows are"
        raise InputError(f"{path} is empty; {needed} needed")
    if b"\0" in start:
        raise InputError(f"{path} is a binary file, not text")


def _delimited(path: Path, columns: tuple[str, ...], stated: Quoting | None) -> Iterator[list[Row]]:
    quoting = found_quoting(path, stated)
    header, more = read_header(path, quoting)
    check_columns(header, columns, str(path))
    if not more:
        raise InputError(f"{path} has a header but no rows")
    return (as_rows(columns, cells) for cells in column_parts(path, header, columns, quoting))


def _file_parts(path: Path, columns: tuple[str, ...], quoting: Quoting | None) -> Iterator[list[Row]]:
    """The parts of a file or folder that is there, each read when it is asked for."""
    if path.is_dir():
        from pipeline.texts.dataset_rows import folder_rows

        return folder_rows(path, columns)
    if path.suffix == LINES:
        check_columns([TEXT], columns, str(path))
        return (as_rows(columns, cells) for cells in line_parts(path, columns))
    kind = SUFFIXES[path.suffix]
    if kind == "csv":
        return _delimited(path, columns, quoting)
    if kind == "json":
        check_columns(read_names(path), columns, str(path))
        return (as_rows(columns, cells) for cells in object_parts(path, columns))
    from pipeline.texts.dataset_rows import parquet_rows

    return parquet_rows(path, columns)


def as_rows(columns: tuple[str, ...], values: Sequence[Sequence[str | None]]) -> list[Row]:
    """Rows by the names of their columns, of the cells of each column."""
    named = partial(zip, columns)  # a keyword in each of a million calls takes a third of their time
    return [dict(named(cells)) for cells in zip(*values, strict=True)]


def check_columns(present: list[str], columns: tuple[str, ...], name: str) -> None:
    """Refuse what lacks a wanted column, or has two of its name.

    Raises:
        InputError: names them.
    """
    missing = [column for column in columns if column not in present]
    if missing:
        raise InputError(f"{name}: no column {', '.join(map(repr, missing))}; it has {', '.join(map(repr, present))}")
    for column in columns:
        if present.count(column) > 1:
            raise InputError(f"{name} cannot be read: two of its columns have one name, {column!r}; rename one of them")


def _cause(error: BaseException) -> str:
    while error.__cause__ is not None:
        error = error.__cause__
    lines = str(error).strip().splitlines()
    return lines[0][:300] if lines else type(error).__name__
