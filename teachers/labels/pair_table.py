"""Pairs of texts in Arrow: a sequence like a list of them, of which only what is asked for becomes Python objects."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from itertools import accumulate
from pathlib import Path
from typing import Any, overload

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from decant.errors import InputError
from decant.models.prompts import Pair


class PairTable(Sequence[Pair]):
    """Pairs in record batches with the columns `first` and `second`, in memory or in a mapped file.

    Args:
        batches: in order; empty ones are left out.
        path: the file that they are mapped from.
    """

    def __init__(self, batches: Iterable[pa.RecordBatch], path: Path | None = None) -> None:
        self.batches, self.path = [batch for batch in batches if len(batch)], path
        self._columns = [(batch.column("first"), batch.column("second")) for batch in self.batches]
        self._starts = [0, *accumulate(len(batch) for batch in self.batches)]

    def __len__(self) -> int:
        return self._starts[-1]

    @overload
    def __getitem__(self, row: int) -> Pair: ...

    @overload
    def __getitem__(self, row: slice) -> list[Pair]: ...

    def __getitem__(self, row: int | slice) -> Pair | list[Pair]:
        if isinstance(row, slice):
            return [self[number] for number in range(*row.indices(len(self)))]
        place = row + len(self) if row < 0 else row
        if not 0 <= place < len(self):
            raise IndexError(f"pair {row} of {len(self)}")
        batch = bisect_right(self._starts, place) - 1
        first, second = self._columns[batch]
        here = int(place - self._starts[batch])
        return first[here].as_py(), second[here].as_py()

    def __iter__(self) -> Iterator[Pair]:
        for first, second in self._columns:
            yield from zip(first.to_pylist(), second.to_pylist(), strict=True)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence):
            return NotImplemented
        return len(self) == len(other) and all(one == two for one, two in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]  # as a list has none

    def column(self, name: str, kind: type[np.generic]) -> NDArray[Any]:
        """Another column of the batches, as numbers of this kind, [pairs]."""
        parts = [batch.column(name).to_numpy(zero_copy_only=False).astype(kind, copy=False) for batch in self.batches]
        return np.concatenate([np.zeros(0, kind), *parts])


def write_batches(batches: Iterable[pa.RecordBatch], schema: pa.Schema, path: Path | None) -> PairTable:
    """The table of these batches, written one by one into a file that is then mapped; without a path, in memory."""
    held = pa.BufferOutputStream()
    with ExitStack() as opened:  # a file that a full disk cuts short is closed, too
        sink = held if path is None else opened.enter_context(pa.OSFile(str(path), "wb"))
        writer = opened.enter_context(pa.ipc.new_file(sink, schema))
        for batch in batches:
            writer.write_batch(batch)
    return _table(pa.BufferReader(held.getvalue()), None) if path is None else open_pairs(path)


def open_pairs(path: Path) -> PairTable:
    """A file of pairs, mapped into memory.

    Raises:
        InputError: it cannot be read.
    """
    try:
        return _table(pa.memory_map(str(path)), path)
    except (pa.ArrowException, OSError, KeyError) as error:
        raise InputError(f"{path} is damaged ({type(error).__name__}); delete its stage's folder") from error


def join_pairs(first: Sequence[Pair], second: Sequence[Pair]) -> Sequence[Pair]:
    """One after the other, without a copy where there are two tables, or one is empty."""
    if not len(first) or not len(second):
        return first if len(first) else second
    if isinstance(first, PairTable) and isinstance(second, PairTable):
        return PairTable([*first.batches, *second.batches])
    return [*first, *second]


def _table(source: Any, path: Path | None) -> PairTable:
    reader = pa.ipc.open_file(source)
    return PairTable((reader.get_batch(number) for number in range(reader.num_record_batches)), path)
