"""The teacher's scores on disk: each distinct pair scored once, in shards that survive a killed run.

A shard is an Arrow file of `key` (16 bytes, the pair's content) and `logits` (float32 list). The folder is named
by the teacher, so scores of another teacher are never mixed in; pairs are found again by content, so a changed
or reordered training set scores only what is new.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from teachers.cross_encoder import Pair
from teachers.errors import InputError
from teachers.progress import Watch, unwatched

SHARD_PAIRS = 2048
SHARD_FILES = "shard-*.arrow"
KEY_BYTES = 16
Score = Callable[[Sequence[Pair], Callable[[int], None]], NDArray[np.float32]]


def content_key(*texts: str) -> bytes:
    """16 bytes that name some texts, in order, by their content."""
    digest = hashlib.blake2b(digest_size=KEY_BYTES)
    for text in texts:
        content = text.encode("utf-8", "surrogatepass")
        digest.update(len(content).to_bytes(8, "little") + content)
    return digest.digest()


def pair_key(pair: Pair) -> bytes:
    """16 bytes that name a pair by its two texts, in order."""
    return content_key(*pair)


def teacher_targets(
    pairs: Sequence[Pair], score: Score, folder: Path, outputs: int, *, watch: Watch = unwatched
) -> NDArray[np.float32]:
    """Raw logits of the teacher, float32 [pairs, outputs], in the order of the pairs.

    Args:
        score: pairs, progress → float32 [pairs] or [pairs, outputs].
        folder: the teacher's own; shards found there are used, new ones are added as soon as each is done.

    Raises:
        InputError: the teacher gives a score that is not a finite number, or a shard is damaged.
    """
    folder.mkdir(parents=True, exist_ok=True)
    known = read_shards(folder, outputs)
    keys = [pair_key(pair) for pair in pairs]
    missing = {key: pair for key, pair in zip(keys, pairs, strict=True) if key not in known}
    # like lengths together over the whole set, so that a shard has little padding
    todo = sorted(missing.items(), key=lambda item: -(len(item[1][0]) + len(item[1][1])))
    with watch("teacher scores", len(missing)) as advance:
        for start in range(0, len(todo), SHARD_PAIRS):
            part = todo[start : start + SHARD_PAIRS]
            logits = np.asarray(score([pair for _, pair in part], advance), np.float32).reshape(len(part), outputs)
            _check_finite(logits, [pair for _, pair in part])
            add_shard(folder, _table([key for key, _ in part], logits))
            known.update(zip((key for key, _ in part), logits, strict=True))
    return np.stack([known[key] for key in keys]) if keys else np.zeros((0, outputs), np.float32)


def read_shards(folder: Path, outputs: int) -> dict[bytes, NDArray[np.float32]]:
    """Every scored pair of a folder, by key.

    Raises:
        InputError: a shard cannot be read, or was written for another number of outputs.
    """
    known: dict[bytes, NDArray[np.float32]] = {}
    for path in sorted(folder.glob(SHARD_FILES)):
        try:
            with pa.OSFile(str(path)) as source:
                table = pa.ipc.open_file(source).read_all()
            keys = table.column("key").to_pylist()
            logits = np.array(table.column("logits").to_pylist(), np.float32)
        except (pa.ArrowException, OSError, KeyError, ValueError) as error:
            raise InputError(f"{path} is damaged ({type(error).__name__}); delete it and run again") from error
        if logits.shape != (len(keys), outputs):
            raise InputError(f"{path} holds scores of shape {logits.shape}, expected {(len(keys), outputs)}; delete it")
        known.update(zip(keys, logits, strict=True))
    return known


def link_shards(finished: Path, folder: Path) -> None:
    """Take over the shards that an earlier run made with the same teacher."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in sorted(finished.glob(SHARD_FILES)):
        if not (folder / path.name).exists():
            (folder / path.name).hardlink_to(path)


def _check_finite(logits: NDArray[np.float32], pairs: Sequence[Pair]) -> None:
    bad = np.flatnonzero(~np.isfinite(logits).all(axis=1))
    if len(bad):
        first, second = pairs[int(bad[0])]
        raise InputError(
            f"the teacher gives no finite score for {len(bad)} pairs, such as {first[:60]!r} / {second[:60]!r}"
        )


def add_shard(folder: Path, table: pa.Table) -> Path:
    """Write a table as the folder's next shard, an Arrow file that is there whole or not at all."""
    # the lowest number that is free: a lost shard comes back by its own name, with its own content
    path = next(one for one in (folder / f"shard-{number:06d}.arrow" for number in count()) if not one.exists())
    partial = path.with_suffix(".partial")
    with pa.OSFile(str(partial), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    os.replace(partial, path)
    return path


def _table(keys: list[bytes], logits: NDArray[np.float32]) -> pa.Table:
    return pa.table(
        {"key": pa.array(keys, pa.binary(KEY_BYTES)), "logits": pa.array(logits.tolist(), pa.list_(pa.float32()))}
    )
