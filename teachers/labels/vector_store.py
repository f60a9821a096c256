"""An embedding teacher's vectors on disk: each distinct text encoded once, in shards that survive a killed run.

A shard is an Arrow file of `key` (16 bytes, the text's content) and `vector` (float16, unit length before it was
rounded), with a sha256 of both in its metadata. Shards are memory-mapped, so that a set larger than memory can be
trained on. A folder belongs to one teacher; texts are found again by content, so a longer set encodes what is new.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from decant.content_keys import KEY_BYTES, content_key
from decant.errors import InputError
from decant.progress import Watch, unwatched
from teachers.labels.label_parts import Label, LabelParts, in_turn
from teachers.labels.score_store import SHARD_FILES, add_shard, free_numbers

SHARD_TEXTS = 4096
CHECKSUM = b"sha256"
KEY = f"S{KEY_BYTES}"  # numpy compares and sorts such keys; one taken out as bytes would lose its trailing zeros
Encode = Label[str]


class Vectors(Protocol):
    """Unit vectors of a list of texts, read as they are asked for."""

    @property
    def dim(self) -> int:
        """Dimensions of a vector."""
        ...

    def __len__(self) -> int:
        """Number of texts, repeated ones counted again."""
        ...

    def take(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Unit vectors, float32 [rows, dim], of the texts with these numbers, each 0..len-1."""
        ...


@dataclass(frozen=True)
class _Shard:
    path: Path
    keys: NDArray[np.bytes_]  # [rows]
    vectors: NDArray[np.float16]  # [rows, dim], a view of the mapped file


class VectorStore:
    """`Vectors` in memory-mapped shards: only what `take` touches is read, beside 12 bytes a text.

    Another process of a training gets the paths and maps the files itself.

    Args:
        shards: opened.
        shard: int32 [texts], the number of the shard that holds a text.
        row: int64 [texts], its row there.
    """

    def __init__(self, shards: Sequence[_Shard], shard: NDArray[np.int32], row: NDArray[np.int64], dim: int) -> None:
        self._shards = [one.vectors for one in shards]
        self._paths = [one.path for one in shards]
        self._shard, self._row = shard, row
        self._dim = dim

    def __reduce__(self) -> tuple[object, ...]:
        return _mapped, (self._paths, self._shard, self._row, self._dim)

    @property
    def dim(self) -> int:
        return self._dim

    def __len__(self) -> int:
        return len(self._row)

    def take(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        vectors = np.empty((len(rows), self.dim), np.float32)
        numbers, places = self._shard[rows], self._row[rows]
        for number in np.unique(numbers):
            here = np.flatnonzero(numbers == number)
            vectors[here] = self._shards[number][places[here]]
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)  # float16 has moved it from 1 by up to 2^-11
        return vectors


class MixedVectors:
    """`Vectors` of several teachers side by side, each scaled by the root of its weight.

    With weights w_i that sum to 1, the text's vector is [√w_1·v_1; √w_2·v_2; …]. Its length is √(Σ w_i) = 1, and the
    dot product of two texts is Σ w_i·cos_i, the weighted mean of the teachers' cosines.

    Args:
        stores: of the same texts, one or more; the dimensions may differ.
        weights: one a store, above 0; divided by their sum.

    Raises:
        InputError: there is no store, or the weights or the texts do not fit.
    """

    def __init__(self, stores: Sequence[Vectors], weights: Sequence[float]) -> None:
        if not stores or len(stores) != len(weights):
            raise InputError(f"{len(stores)} teachers and {len(weights)} weights: give one weight for each teacher")
        if not all(math.isfinite(weight) and weight > 0 for weight in weights):
            raise InputError(f"the teachers' weights are {list(weights)}: each must be a finite number above 0")
        lengths = [len(store) for store in stores]
        if len(set(lengths)) > 1:
            raise InputError(f"the teachers have vectors of {lengths} texts: mix only vectors of the same texts")
        self._stores = list(stores)
        self._scales = [math.sqrt(weight / math.fsum(weights)) for weight in weights]

    @property
    def dim(self) -> int:
        return sum(store.dim for store in self._stores)

    def __len__(self) -> int:
        return len(self._stores[0])

    def take(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        parts = [store.take(rows) * np.float32(scale) for store, scale in zip(self._stores, self._scales, strict=True)]
        return np.concatenate(parts, axis=1)


class JoinedVectors:
    """`Vectors` of a list of texts whose parts lie in different stores.

    Args:
        parts: of one width.
        part: int32 [texts], the number of the store that holds a text.
        row: int64 [texts], its number there.
    """

    def __init__(self, parts: Sequence[Vectors], part: NDArray[np.int32], row: NDArray[np.int64]) -> None:
        self._parts, self._part, self._row = list(parts), part, row

    @property
    def dim(self) -> int:
        return self._parts[0].dim

    def __len__(self) -> int:
        return len(self._row)

    def take(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        vectors = np.empty((len(rows), self.dim), np.float32)
        for number in np.unique(self._part[rows]):
            here = np.flatnonzero(self._part[rows] == number)
            vectors[here] = self._parts[number].take(self._row[rows[here]])
        return vectors


def teacher_vectors(
    texts: Sequence[str], encode: Encode, folder: Path, dim: int, *, watch: Watch = unwatched,
    spread: LabelParts[str] | None = None,
) -> VectorStore:  # fmt: skip
    """The teacher's unit vectors, in the order of the texts.

    Args:
        encode: texts, progress → float32 [texts, dim], of any length above 0.
        folder: the teacher's own; shards found there are used, new ones are added as soon as each is done.
        dim: dimensions of the teacher's vectors.
        spread: encodes the shards instead of `encode`, several at once perhaps and in any order.

    Raises:
        InputError: the teacher gives vectors that are not finite or of another shape, or a shard is damaged or
            another teacher's.
    """
    folder.mkdir(parents=True, exist_ok=True)
    shards = [_open_shard(path, dim) for path in sorted(folder.glob(SHARD_FILES))]
    keys = _keys(texts)
    distinct, first = np.unique(keys, return_index=True)
    missing = first[~np.isin(distinct, _joined(shards))]
    # like lengths together over the whole set, so that a shard has little padding
    todo = missing[np.argsort([-len(texts[row]) for row in missing], kind="stable")]
    parts = [todo[start : start + SHARD_TEXTS] for start in range(0, len(todo), SHARD_TEXTS)]
    numbers = free_numbers(folder, len(parts))
    with watch("teacher vectors", len(todo)) as advance:
        given = ([texts[row] for row in rows] for rows in parts)
        with closing((spread or in_turn(encode))(given, advance)) as labelled:
            for part, found in labelled:
                rows = parts[part]
                vectors = _unit(np.asarray(found), [texts[row] for row in rows], dim)
                path = add_shard(folder, _table(keys[rows], vectors), numbers[part])
                shards.append(_open_shard(path, dim))
    shard, row = _locate(keys, shards)
    return VectorStore(shards, shard, row, dim)


def _mapped(paths: Sequence[Path], shard: NDArray[np.int32], row: NDArray[np.int64], dim: int) -> VectorStore:
    return VectorStore([_open_shard(path, dim) for path in paths], shard, row, dim)


def _keys(texts: Sequence[str]) -> NDArray[np.bytes_]:
    return np.frombuffer(b"".join(content_key(text) for text in texts), KEY)


def _joined(shards: Sequence[_Shard]) -> NDArray[np.bytes_]:
    return np.concatenate([np.zeros(0, KEY), *(shard.keys for shard in shards)])


def _locate(keys: NDArray[np.bytes_], shards: Sequence[_Shard]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Shard and row of each key, all of which are there."""
    known = _joined(shards)
    order = np.argsort(known, kind="stable")
    place = order[np.searchsorted(known, keys, sorter=order)]
    starts = np.cumsum([0, *(len(shard.keys) for shard in shards)])
    shard = np.searchsorted(starts, place, side="right") - 1
    return shard.astype(np.int32), place - starts[shard]


def _unit(vectors: NDArray[np.float32], texts: Sequence[str], dim: int) -> NDArray[np.float16]:
    """Unit length before the rounding, since float16 ends at 65,504."""
    if vectors.shape != (len(texts), dim):
        raise InputError(
            f"the teacher gives vectors of shape {vectors.shape}, expected {(len(texts), dim)}; "
            "give the dimensions that its vectors have"
        )
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    bad = np.flatnonzero(~(np.isfinite(lengths) & (lengths > 0)))
    if len(bad):
        raise InputError(
            f"the teacher gives no finite vector of a length above 0 for {len(bad)} texts, "
            f"such as {texts[int(bad[0])][:60]!r}; leave them out, or take another teacher"
        )
    return (vectors / lengths).astype(np.float16)


def _table(keys: NDArray[np.bytes_], vectors: NDArray[np.float16]) -> pa.Table:
    rows, dim = vectors.shape
    columns = {
        "key": pa.FixedSizeBinaryArray.from_buffers(pa.binary(KEY_BYTES), rows, [None, pa.py_buffer(keys.tobytes())]),
        "vector": pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), dim),
    }
    return pa.table(columns).replace_schema_metadata({CHECKSUM: _checksum(keys, vectors)})


def _checksum(keys: NDArray[np.bytes_], vectors: NDArray[np.float16]) -> bytes:
    digest = hashlib.sha256(keys.tobytes())
    digest.update(vectors.tobytes())
    return digest.hexdigest().encode()


def _open_shard(path: Path, dim: int) -> _Shard:
    """A shard's keys, and its vectors as a view of the mapped file, which stays mapped as long as the view lives.

    Raises:
        InputError: it cannot be read, its checksum differs, or its vectors have another number of dimensions.
    """
    try:
        with pa.memory_map(str(path)) as source:
            batch = pa.ipc.open_file(source).get_batch(0)
        batch.validate(full=True)
        keys, vectors = batch.column("key"), batch.column("vector")
        shard = _Shard(
            path,
            np.frombuffer(keys.buffers()[1], KEY, count=len(keys)),
            vectors.flatten().to_numpy(zero_copy_only=True).reshape(len(vectors), -1),
        )
        intact = (batch.schema.metadata or {}).get(CHECKSUM) == _checksum(shard.keys, shard.vectors)
        reason = "its checksum differs"
    except (pa.ArrowException, OSError, LookupError, ValueError, TypeError, AttributeError) as error:
        intact, reason = False, type(error).__name__
    if not intact:
        raise InputError(f"{path} is damaged ({reason}); delete it and run again")
    found = shard.vectors.shape[1]
    if found != dim:
        raise InputError(
            f"{path} holds vectors of {found} dimensions, expected {dim}: another teacher's; "
            "name a folder of this teacher's own, or delete it"
        )
    return shard
