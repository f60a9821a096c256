"""Token ids of many texts, end to end in one array: 2 or 4 bytes a token, where a list of numbers takes 8 and more."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import chain, compress, islice

import numpy as np
from numpy.typing import NDArray

from decant.content_keys import hash_rows, number_keys
from teachers.cross_encoders.cross_encoder import Pair

TOKENIZED_AT_ONCE = 8192


class TokenRows:
    """Rows of token ids.

    Args:
        ids: of all rows, one after another.
        starts: int64 [rows + 1], where each begins.
    """

    def __init__(self, ids: NDArray[np.integer], starts: NDArray[np.int64]) -> None:
        self._ids, self._starts = ids, starts

    def __len__(self) -> int:
        return len(self._starts) - 1

    def __getitem__(self, row: int) -> NDArray[np.integer]:
        return self._ids[self._starts[row] : self._starts[row + 1]]

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens of each row, int64 [rows]."""
        return np.diff(self._starts)


def tokenize_rows(
    texts: Iterable[str], tokenize: Callable[[Sequence[str]], list[list[int]]], vocabulary: int
) -> TokenRows:
    """The token ids of all texts, some thousand at a time.

    Args:
        tokenize: texts → ids of each.
        vocabulary: how many ids there are; below 65,536 of them, an id takes 2 bytes.
    """
    kind = np.uint16 if vocabulary <= 2**16 else np.int32
    ids, lengths = bytearray(), [np.zeros(1, np.int32)]  # bytes grow in place, where joining arrays takes twice as many
    waiting = iter(texts)
    while part := list(islice(waiting, TOKENIZED_AT_ONCE)):
        rows = tokenize(part)
        ids += np.fromiter(chain.from_iterable(rows), kind).tobytes()
        lengths.append(np.fromiter(map(len, rows), np.int32, len(rows)))
    return TokenRows(np.frombuffer(ids, kind), np.cumsum(np.concatenate(lengths), dtype=np.int64))


def number_texts(pairs: Sequence[Pair]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """The distinct texts of the pairs, in the order of their first standing, by number.

    Returns:
        The number of the text on either side, [pairs, 2]; and where each text stands first, [texts]: twice the row of
        the pair, plus the side.
    """
    sides = ((text,) for pair in pairs for text in pair)
    numbers, first = number_keys(hash_rows(sides, 2 * len(pairs))[0])
    return numbers.reshape(-1, 2), first


def texts_at(pairs: Sequence[Pair], places: NDArray[np.int64]) -> Iterable[str]:
    """The texts that stand at rising places, as `number_texts` counts them."""
    wanted = np.zeros(2 * len(pairs), bool)
    wanted[places] = True
    texts = chain.from_iterable(pairs)
    return compress(texts, wanted.data)  # a list of so many truth values would take gigabytes
