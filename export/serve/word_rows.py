"""The words that a static session has seen: a row for each, the sum of its tokens' rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain, repeat
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from export.serve.bert_words import END, END_OF_OTHER

Word = bytes | str | int  # of a text; or one token's number
Floats = NDArray[np.float32]
MOST_WORDS = 50_000
MOST_CHARACTERS = 4_000_000  # of all words: in texts without spaces, a word may be any long
FIRST_ROWS = 1024


class WordRows:
    """Word → row. It only ever grows; who finds it `full` takes its `younger`. Several threads may use it.

    Args:
        tokens_of: words → their token numbers.
        rows_of: token numbers, int64 [n] → their rows, float32 [n, dim].
        dim: of a row.
        elder: whose words need no tokenizer.
    """

    def __init__(
        self, tokens_of: Callable[[Sequence[Word]], list[list[int]]], rows_of: Callable[[NDArray[np.int64]], Floats],
        dim: int, elder: WordRows | None = None,
    ) -> None:  # fmt: skip
        self._tokens_of, self._rows_of, self._lock, self._elder = tokens_of, rows_of, Lock(), elder
        self.numbers: dict[Word, int] = {END: 0, END_OF_OTHER: 0}  # whose row is zeros
        self.rows: Floats = np.zeros((FIRST_ROWS, dim), np.float32)
        self._tokens = np.zeros(FIRST_ROWS, np.int64)
        self._used, self._characters = 1, 0

    @property
    def full(self) -> bool:
        """Whether it holds as much as it may."""
        return self._used > MOST_WORDS or self._characters > MOST_CHARACTERS

    def younger(self) -> WordRows:
        """One that holds no word yet, and takes over those of this one, of no older one, as they come again."""
        self._elder = None
        return WordRows(self._tokens_of, self._rows_of, self.rows.shape[1], self)

    def numbers_of(self, words: Sequence[Word]) -> NDArray[np.int32]:
        """The row of each word, int32 [words]; those that are new become known.

        Raises:
            UnicodeEncodeError: a word holds half of a surrogate pair.
        """
        found = np.fromiter(map(self.numbers.get, words, repeat(-1)), np.int32, len(words))
        missing = np.flatnonzero(found < 0)
        if len(missing):
            new = [words[place] for place in missing.tolist()]
            self._add(new)
            found[missing] = [self.numbers[word] for word in new]
        return found

    def sums(self, numbers: NDArray[np.int32]) -> tuple[Floats, NDArray[np.int64]]:
        """Sums of the rows of each text, float32 [texts, dim], and its tokens, int64 [texts].

        Args:
            numbers: of the words of the texts, one text after another, each ended by 0.
        """
        starts = np.concatenate([[0], np.flatnonzero(numbers == 0) + 1]).astype(np.int32)
        rows = self.rows  # another thread may put a longer one in its place
        of_texts = csr_array(
            (np.ones(len(numbers), np.float32), numbers, starts), shape=(len(starts) - 1, len(rows)), copy=False
        )
        return of_texts @ rows, np.add.reduceat(self._tokens[numbers], starts[:-1])

    def _add(self, words: Sequence[Word]) -> None:
        with self._lock:
            new, elder = [word for word in dict.fromkeys(words) if word not in self.numbers], self._elder
            if elder is not None:
                known = [word for word in new if word in elder.numbers]
                places = np.array([elder.numbers[word] for word in known], np.int64)
                self._take(known, elder.rows[places], elder._tokens[places])
                new = [word for word in new if word not in elder.numbers]
            if new:
                tokens = self._tokens_of(new)
                lengths = np.array([len(some) for some in tokens], np.int64)
                ids = np.fromiter(chain.from_iterable(tokens), np.int64, int(lengths.sum()))
                starts = np.concatenate([[0], np.cumsum(lengths)])
                of_words = csr_array((np.ones(len(ids), np.float32), np.arange(len(ids)), starts), (len(new), len(ids)))
                self._take(new, of_words @ self._rows_of(ids), lengths)

    def _take(self, words: Sequence[Word], rows: Floats, tokens: NDArray[np.int64]) -> None:
        """Know new words; their numbers are told last, since other threads look them up meanwhile."""
        start, end = self._used, self._used + len(words)
        if end > len(self.rows):
            size = max(end, 2 * len(self.rows))
            self.rows, self._tokens = _longer(self.rows, size), _longer(self._tokens, size)
        self.rows[start:end], self._tokens[start:end] = rows, tokens
        self._characters += sum(len(word) for word in words if not isinstance(word, int))
        self._used = end
        self.numbers.update(zip(words, range(start, end), strict=True))


def _longer(array: NDArray[Any], size: int) -> NDArray[Any]:
    longer = np.zeros((size, *array.shape[1:]), array.dtype)
    longer[: len(array)] = array
    return longer
