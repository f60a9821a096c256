"""The teacher's scores on disk: each distinct pair scored once, in shards that survive a killed run.

A shard is an Arrow file of `key` (16 bytes, the pair's content) and `logits` (float32 list). The folder is named
by the teacher, so scores of another teacher are never mixed in; pairs are found again by content, so a changed
or reordered training set scores only what is new. Beside the pairs themselves, 10^7 of them take half a gigabyte.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import closing, suppress
from itertools import count, islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from decant.content_keys import KEY_BYTES, Keys, as_keys, content_key, find_rows, first_rows, hash_rows
from decant.errors import InputError
from decant.models.prompts import Pair
from decant.progress import Watch, unwatched
from teachers.labels.label_parts import Label, LabelParts, in_turn

SHARD_PAIRS = 2048
SHARD_FILES = "shard-*.arrow"
Array = NDArray[np.float32]
Score = Label[Pair]


class Known(NamedTuple):
    """PairTargets pairs: their keys, and their raw logits, float32 [pairs, outputs]."""

    keys: Keys
    logits: Array


def pair_key(pair: Pair) -> bytes:
    """16 bytes that name a pair by its two texts, in order."""
    return content_key(*pair)


def teacher_targets(
    pairs: Sequence[Pair], score: Score, folder: Path, outputs: int, *, watch: Watch = unwatched,
    spread: LabelParts[Pair] | None = None,
) -> Array:  # fmt: skip
    """Raw logits of the teacher, float32 [pairs, outputs], in the order of the pairs.

    Args:
        score: pairs, progress → float32 [pairs] or [pairs, outputs].
        folder: the teacher's own; shards found there are used, new ones are added as soon as each is done.
        spread: scores the shards instead of `score`, several at once perhaps and in any order.

    Raises:
        InputError: the teacher gives a score that is not a finite number, or a shard is damaged.
    """
    folder.mkdir(parents=True, exist_ok=True)
    known = read_shards(folder, outputs)
    keys, lengths = hash_rows(pairs, len(pairs))
    missing = first_rows(keys)
    missing = missing[find_rows(keys[missing], known.keys) < 0]
    # like lengths together over the whole set, so that a shard has little padding
    todo = missing[np.argsort(-lengths[missing], kind="stable")]
    shards = [todo[start : start + SHARD_PAIRS] for start in range(0, len(todo), SHARD_PAIRS)]
    parts = ([pairs[row] for row in rows] for rows in shards)
    numbers = free_numbers(folder, len(shards))
    with watch("teacher scores", len(todo)) as advance:
        with closing((spread or in_turn(score))(parts, advance)) as labelled:
            for shard, found in labelled:
                rows = shards[shard]
                logits = np.asarray(found, np.float32).reshape(len(rows), outputs)
                _check_finite(logits, pairs, rows)
                add_shard(folder, _table(keys[rows], logits), numbers[shard])
    if len(todo):
        known = read_shards(folder, outputs)
    rows = find_rows(keys, known.keys)
    if (rows < 0).any():
        raise RuntimeError(f"{int((rows < 0).sum())} pairs have no score, though all shards were made")
    return known.logits[rows]


def read_shards(folder: Path, outputs: int) -> Known:
    """Every scored pair of a folder.

    Raises:
        InputError: a shard cannot be read, or was written for another number of outputs.
    """
    keys, logits = [np.zeros((0, 2), np.uint64)], [np.zeros((0, outputs), np.float32)]
    for path in sorted(folder.glob(SHARD_FILES)):
        try:
            with pa.OSFile(str(path)) as source:
                table = pa.ipc.open_file(source).read_all().combine_chunks()
            table.validate(full=True)
            rows = len(table)
            column = table.column("key").combine_chunks()
            found = as_keys(column.buffers()[1])[column.offset : column.offset + rows]
            scores = table.column("logits").combine_chunks().flatten().to_numpy().astype(np.float32, copy=False)
        except (pa.ArrowException, OSError, LookupError, ValueError, TypeError, AttributeError) as error:
            raise InputError(f"{path} is damaged ({type(error).__name__}); delete it and run again") from error
        if len(scores) != rows * outputs:
            shape = (rows, len(scores) // max(1, rows))
            raise InputError(f"{path} holds scores of shape {shape}, expected {(rows, outputs)}; delete it")
        keys.append(found)
        logits.append(scores.reshape(rows, outputs))
    return Known(np.concatenate(keys), np.concatenate(logits))


def scored_pairs(folder: Path) -> int:
    """How many pairs the folder has scores of, by what its shards say of their length; a damaged one has none."""
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


def _check_finite(logits: Array, pairs: Sequence[Pair], rows: NDArray[np.int64]) -> None:
    bad = np.flatnonzero(~np.isfinite(logits).all(axis=1))
    if len(bad):
        first, second = pairs[int(rows[bad[0]])]
        raise InputError(
            f"the teacher gives no finite score for {len(bad)} pairs, such as {first[:60]!r} / {second[:60]!r}"
        )


def free_numbers(folder: Path, shards: int) -> list[int]:
    """Numbers of the folder's next shards: the lowest free ones, so that a lost shard comes back by its own name."""
    free = (number for number in count() if not _shard_path(folder, number).exists())
    return list(islice(free, shards))


def add_shard(folder: Path, table: pa.Table, number: int) -> Path:
    """Write a table as the folder's shard of this number, an Arrow file that is there whole or not at all."""
    path = _shard_path(folder, number)
    partial = path.with_suffix(".partial")
    with pa.OSFile(str(partial), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    os.replace(partial, path)
    return path


def _shard_path(folder: Path, number: int) -> Path:
    return folder / f"shard-{number:06d}.arrow"


def _table(keys: Keys, logits: Array) -> pa.Table:
    rows, outputs = logits.shape
    starts = pa.array(np.arange(0, rows * outputs + 1, outputs, dtype=np.int32))
    held = pa.FixedSizeBinaryArray.from_buffers(pa.binary(KEY_BYTES), rows, [None, pa.py_buffer(keys.tobytes())])
    return pa.table({"key": held, "logits": pa.ListArray.from_arrays(starts, pa.array(logits.ravel()))})
