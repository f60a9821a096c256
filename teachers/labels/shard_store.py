"""A teacher's labels on disk: each distinct item labelled once, in shards that survive a killed run.

A shard is an Arrow file of `key` (16 bytes, the item's content) and of one column of labels. The folder is named by the
teacher, so labels of another teacher are never mixed in; items are found again by content, so that of a changed or
reordered set only what is new is labelled. Shards are memory-mapped: what is not asked for is not read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path
from typing import Any, Generic, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from decant.content_keys import KEY_BYTES, Keys, as_keys, find_rows, first_rows, hash_rows
from decant.errors import InputError
from decant.files import written_whole
from decant.progress import Watch
from teachers.labels.label_parts import Item, Label, LabelParts, in_turn

SHARD_FILES = "shard-*.arrow"
Labels = NDArray[Any]  # float16 or float32 [rows, width]


class ChecksumError(ValueError):
    """A shard is not as it was written."""


class Shard(NamedTuple):
    """An open shard. Keys and labels are views of the mapped file, which stays mapped as long as they live."""

    path: Path
    keys: Keys
    labels: Labels


@dataclass(frozen=True)
class LabelKind(Generic[Item]):
    """What tells scores from vectors.

    Args:
        name: of what a watcher sees.
        texts_of: the texts that an item is found again by.
        checked: labels as the teacher gave them, items, width → labels as they are stored; raises InputError.
        columns: keys, labels → a shard's content.
        read: a shard's batch, its keys → labels [rows, any width]; raises ChecksumError, or what pyarrow raises.
        other_width: labels, width → what to say of a shard of another width.
    """

    name: str
    texts_of: Callable[[Item], tuple[str, ...]]
    checked: Callable[[Labels, Sequence[Item], int], Labels]
    columns: Callable[[Keys, Labels], pa.Table]
    read: Callable[[pa.RecordBatch, Keys], Labels]
    other_width: Callable[[Labels, int], str]


@dataclass(frozen=True)
class ShardStore(Generic[Item]):
    """The shards of one teacher's labels.

    Args:
        folder: the teacher's own; it is made.
        width: numbers of a label.
        shard_rows: items of a shard.
    """

    folder: Path
    width: int
    kind: LabelKind[Item]
    shard_rows: int

    def shards(self) -> list[Shard]:
        """Every shard there is, as `open` gives it."""
        return [self.open(path) for path in sorted(self.folder.glob(SHARD_FILES))]

    def label(
        self, items: Sequence[Item], label: Label[Item], label_parts: LabelParts[Item] | None, watch: Watch
    ) -> tuple[list[Shard], NDArray[np.int64]]:
        """Have each item labelled: by a shard that is there, or by a new one, which is added as soon as it is done.

        Args:
            label: items, progress → labels.
            label_parts: labels the shards instead of `label`, several at once perhaps and in any order.

        Returns:
            The shards, and where each item stands, [items]: its row of the shards one after another.

        Raises:
            InputError: the teacher gives labels that are refused, or a shard is damaged or another teacher's.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        shards = self.shards()
        keys, lengths = hash_rows(map(self.kind.texts_of, items), len(items))
        missing = first_rows(keys)
        missing = missing[find_rows(keys[missing], joined_keys(shards)) < 0]
        # like lengths together over the whole set, so that a shard has little padding
        todo = missing[np.argsort(-lengths[missing], kind="stable")]
        parts = [todo[start : start + self.shard_rows] for start in range(0, len(todo), self.shard_rows)]
        given = ([items[row] for row in rows] for rows in parts)
        # the lowest free numbers, so that a lost shard comes back by its own name
        paths = (self.folder / f"shard-{number:06d}.arrow" for number in count())
        free = list(islice((path for path in paths if not path.exists()), len(parts)))
        with watch(self.kind.name, len(todo)) as advance:
            with closing((label_parts or in_turn(label))(given, advance)) as labelled:
                for part, found in labelled:
                    rows = parts[part]
                    labels = self.kind.checked(np.asarray(found), [items[row] for row in rows], self.width)
                    shards.append(self._add(self.kind.columns(keys[rows], labels), free[part]))
        places = find_rows(keys, joined_keys(shards))
        if (places < 0).any():
            raise RuntimeError(f"{int((places < 0).sum())} items have no label, though all shards were made")
        return shards, places

    def _add(self, table: pa.Table, path: Path) -> Shard:
        with written_whole(path) as written, pa.OSFile(str(written), "wb") as sink:
            with pa.ipc.new_file(sink, table.schema) as writer:
                writer.write_table(table)
        return self.open(path)

    def open(self, path: Path) -> Shard:
        """One shard.

        Raises:
            InputError: it is damaged, or of another width.
        """
        try:
            with pa.memory_map(str(path)) as source:
                batch = pa.ipc.open_file(source).get_batch(0)
            batch.validate(full=True)
            column = batch.column("key")
            keys = as_keys(column.buffers()[1])[column.offset : column.offset + len(column)]
            labels = self.kind.read(batch, keys)
        except (pa.ArrowException, OSError, LookupError, ValueError, TypeError, AttributeError) as error:
            reason = "its checksum differs" if isinstance(error, ChecksumError) else type(error).__name__
            raise InputError(f"{path} is damaged ({reason}); delete it and run again") from error
        if labels.shape[1] != self.width:
            raise InputError(f"{path} holds {self.kind.other_width(labels, self.width)}")
        return Shard(path, keys, labels)


def joined_keys(shards: Sequence[Shard]) -> Keys:
    """The keys of all shards, one after another."""
    return np.concatenate([np.zeros((0, 2), np.uint64), *(shard.keys for shard in shards)])


def key_column(keys: Keys) -> pa.Array:
    """The column `key` of a shard."""
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(KEY_BYTES), len(keys), [None, pa.py_buffer(keys.tobytes())])


def labelled_items(folder: Path) -> int:
    """How many items the folder has labels of, by what its shards say of their length; a damaged one has none."""
    rows = 0
    for path in folder.glob(SHARD_FILES):
        with suppress(pa.ArrowException, OSError), pa.memory_map(str(path)) as source:
            shard = pa.ipc.open_file(source)
            rows += sum(shard.get_batch(number).num_rows for number in range(shard.num_record_batches))
    return rows


def link_shards(finished: Path, folder: Path) -> None:
    """Take over the shards that an earlier run made with the same teacher."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in sorted(finished.glob(SHARD_FILES)):
        if not (folder / path.name).exists():
            (folder / path.name).hardlink_to(path)
