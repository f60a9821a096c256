"""The teacher's scores of pairs, float32, in shards of `key` and `logits`.

Beside the pairs themselves, 10^7 of them take half a gigabyte.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from decant.content_keys import Keys, content_key
from decant.errors import InputError
from decant.models.prompts import Pair
from decant.progress import Watch, unwatched
from teachers.labels.label_parts import Label, LabelParts
from teachers.labels.shard_store import LabelKind, Shard, ShardStore, joined_keys, key_column

SHARD_PAIRS = 2048
Array = NDArray[np.float32]
Score = Label[Pair]


class Known(NamedTuple):
    """Scored pairs: their keys, and their raw logits, float32 [pairs, outputs]."""

    keys: Keys
    logits: Array


def pair_key(pair: Pair) -> bytes:
    """16 bytes that name a pair by its two texts, in order."""
    return content_key(*pair)


def teacher_targets(
    pairs: Sequence[Pair], score: Score, folder: Path, outputs: int, *, watch: Watch = unwatched,
    label_parts: LabelParts[Pair] | None = None,
) -> Array:  # fmt: skip
    """Raw logits of the teacher, float32 [pairs, outputs], in the order of the pairs.

    Args:
        score: pairs, progress → float32 [pairs] or [pairs, outputs].
        folder: the teacher's own; shards found there are used, new ones are added as soon as each is done.
        label_parts: scores the shards instead of `score`, several at once perhaps and in any order.

    Raises:
        InputError: the teacher gives a score that is not a finite number, or a shard is damaged.
    """
    shards, places = ShardStore(folder, outputs, SCORES, SHARD_PAIRS).label(pairs, score, label_parts, watch)
    return _joined_logits(shards, outputs)[places]


def read_shards(folder: Path, outputs: int) -> Known:
    """Every scored pair of a folder.

    Raises:
        InputError: a shard cannot be read, or was written for another number of outputs.
    """
    shards = ShardStore(folder, outputs, SCORES, SHARD_PAIRS).shards()
    return Known(joined_keys(shards), _joined_logits(shards, outputs))


def _joined_logits(shards: Sequence[Shard], outputs: int) -> Array:
    return np.concatenate([np.zeros((0, outputs), np.float32), *(shard.labels for shard in shards)])


def _checked(found: Array, pairs: Sequence[Pair], outputs: int) -> Array:
    logits = np.asarray(found, np.float32).reshape(len(pairs), outputs)
    bad = np.flatnonzero(~np.isfinite(logits).all(axis=1))
    if len(bad):
        first, second = pairs[int(bad[0])]
        raise InputError(
            f"the teacher gives no finite score for {len(bad)} pairs, such as {first[:60]!r} / {second[:60]!r}"
        )
    return logits


def _columns(keys: Keys, logits: Array) -> pa.Table:
    rows, outputs = logits.shape
    starts = pa.array(np.arange(0, rows * outputs + 1, outputs, dtype=np.int32))
    return pa.table({"key": key_column(keys), "logits": pa.ListArray.from_arrays(starts, pa.array(logits.ravel()))})


def _read(batch: pa.RecordBatch, keys: Keys) -> Array:
    logits: Array = batch.column("logits").flatten().to_numpy().astype(np.float32, copy=False)
    return logits.reshape(len(keys), -1)


def _other_width(logits: Array, outputs: int) -> str:
    return f"scores of shape {logits.shape}, expected {(len(logits), outputs)}; delete it"


SCORES = LabelKind[Pair]("teacher scores", lambda pair: pair, _checked, _columns, _read, _other_width)
