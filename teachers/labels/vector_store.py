"""An embedding teacher's vectors of texts, float16, in shards of `key` and `vector`.

A vector is of unit length before it is rounded. A shard's metadata hold a sha256 of both columns. A set larger than
memory can be trained on.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from decant.content_keys import Keys
from decant.errors import InputError
from decant.progress import Watch, unwatched
from teachers.labels.label_parts import Label, LabelParts
from teachers.labels.shard_store import ChecksumError, LabelKind, Shard, ShardStore, key_column

SHARD_TEXTS = 4096
CHECKSUM = b"sha256"
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


class VectorStore:
    """`Vectors` in memory-mapped shards: only what `take` touches is read, beside 12 bytes a text.

    Another process of a training gets the paths and maps the files itself.

    Args:
        shards: opened.
        shard: int32 [texts], the number of the shard that holds a text.
        row: int64 [texts], its row there.
    """

    def __init__(self, shards: Sequence[Shard], shard: NDArray[np.int32], row: NDArray[np.int64], dim: int) -> None:
        self._shards = [one.labels for one in shards]
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
    label_parts: LabelParts[str] | None = None,
) -> VectorStore:  # fmt: skip
    """The teacher's unit vectors, in the order of the texts.

    Args:
        encode: texts, progress → float32 [texts, dim], of any length above 0.
        folder: the teacher's own; shards found there are used, new ones are added as soon as each is done.
        dim: dimensions of the teacher's vectors.
        label_parts: encodes the shards instead of `encode`, several at once perhaps and in any order.

    Raises:
        InputError: the teacher gives vectors that are not finite or of another shape, or a shard is damaged or
            another teacher's.
    """
    shards, places = ShardStore(folder, dim, VECTORS, SHARD_TEXTS).label(texts, encode, label_parts, watch)
    starts = np.cumsum([0, *(len(shard.keys) for shard in shards)])
    shard = np.searchsorted(starts, places, side="right") - 1
    return VectorStore(shards, shard.astype(np.int32), places - starts[shard], dim)


def _mapped(paths: Sequence[Path], shard: NDArray[np.int32], row: NDArray[np.int64], dim: int) -> VectorStore:
    store = ShardStore(Path(), dim, VECTORS, SHARD_TEXTS)
    return VectorStore([store.open(path) for path in paths], shard, row, dim)


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


def _columns(keys: Keys, vectors: NDArray[np.float16]) -> pa.Table:
    columns = {
        "key": key_column(keys),
        "vector": pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), vectors.shape[1]),
    }
    return pa.table(columns).replace_schema_metadata({CHECKSUM: _checksum(keys, vectors)})


def _read(batch: pa.RecordBatch, keys: Keys) -> NDArray[np.float16]:
    column = batch.column("vector")
    vectors: NDArray[np.float16] = column.flatten().to_numpy(zero_copy_only=True).reshape(len(keys), -1)
    if (batch.schema.metadata or {}).get(CHECKSUM) != _checksum(keys, vectors):
        raise ChecksumError
    return vectors


def _checksum(keys: Keys, vectors: NDArray[np.float16]) -> bytes:
    digest = hashlib.sha256(keys.tobytes())
    digest.update(vectors.tobytes())
    return digest.hexdigest().encode()


def _other_width(vectors: NDArray[np.float16], dim: int) -> str:
    return (
        f"vectors of {vectors.shape[1]} dimensions, expected {dim}: another teacher's; "
        "name a folder of this teacher's own, or delete it"
    )


VECTORS = LabelKind[str]("teacher vectors", lambda text: (text,), _unit, _columns, _read, _other_width)
