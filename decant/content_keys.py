"""16 bytes that name texts by their content, and arrays of them: how shards find again what they hold."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from itertools import islice

import numpy as np
from numpy.typing import NDArray

KEY_BYTES = 16
HASHED_AT_ONCE = 65_536
Keys = NDArray[np.uint64]  # [rows, 2], the two halves of each key


def content_key(*texts: str) -> bytes:
    """16 bytes that name some texts, in order, by their content."""
    digest = hashlib.blake2b(digest_size=KEY_BYTES)
    for text in texts:
        content = text.encode("utf-8", "surrogatepass")
        digest.update(len(content).to_bytes(8, "little") + content)
    return digest.digest()


def hash_rows(rows: Iterable[tuple[str, ...]], count: int) -> tuple[Keys, NDArray[np.int32]]:
    """The key and the number of characters of every row, [rows, 2] and [rows]; 20 bytes a row beside the rows."""
    keys, lengths = np.empty((count, 2), np.uint64), np.empty(count, np.int32)
    waiting, start = iter(rows), 0
    while part := list(islice(waiting, HASHED_AT_ONCE)):
        here = slice(start, start + len(part))
        keys[here] = as_keys(b"".join(content_key(*row) for row in part))
        lengths[here] = [sum(map(len, row)) for row in part]
        start += len(part)
    return keys, lengths


def as_keys(content: bytes | bytearray | memoryview) -> Keys:
    """Keys that stand one after another."""
    return np.frombuffer(content, np.uint64).reshape(-1, 2)


def first_rows(keys: Keys) -> NDArray[np.int64]:
    """The row where each distinct key stands first, rising."""
    order, fresh = _sorted(keys)
    return np.sort(order[fresh])


def number_keys(keys: Keys) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """The number of every row's key, in the order of first standing; and the row where each stands first."""
    order, fresh = _sorted(keys)
    first = order[fresh]
    rank = np.empty(len(first), np.int32)
    rank[np.argsort(first)] = np.arange(len(first), dtype=np.int32)
    numbers = np.empty(len(keys), np.int32)
    numbers[order] = rank[np.cumsum(fresh, dtype=np.int32) - 1]
    return numbers, np.sort(first)


def _sorted(keys: Keys) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The rows by their keys, of equal keys the first row first; and where in that order another key begins."""
    order = np.lexsort((keys[:, 1], keys[:, 0]))  # stable
    fresh = np.ones(len(order), bool)
    fresh[1:] = False
    for half in (0, 1):  # one after the other: it saves a copy of the keys
        here = keys[order, half]
        fresh[1:] |= here[1:] != here[:-1]
    return order, fresh


def find_rows(keys: Keys, known: Keys) -> NDArray[np.int64]:
    """A row of `known` that holds the key, for every key; -1 where there is none."""
    found = np.full(len(keys), -1, np.int64)
    if not len(known):
        return found
    order = np.lexsort((known[:, 1], known[:, 0]))
    halves = known[order, 0]
    place = np.searchsorted(halves, keys[:, 0])
    open_rows = np.arange(len(keys))
    while len(open_rows):  # a second turn only where keys share their first half, which hashes all but never do
        at = place[open_rows]
        inside = at < len(order)
        open_rows, at = open_rows[inside], at[inside]
        alike = halves[at] == keys[open_rows, 0]
        open_rows, at = open_rows[alike], at[alike]
        same = known[order[at], 1] == keys[open_rows, 1]
        found[open_rows[same]] = order[at[same]]
        open_rows = open_rows[~same]
        place[open_rows] += 1
    return found
