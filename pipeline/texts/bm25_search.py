"""BM25 over the words of passages: what word overlap alone finds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipeline.measure.retrieval import Ranking, best_rows

STATED = "bm25s, Lucene's BM25 with k1 1.5 and b 0.75, words of two letters or more, neither stemmed nor left out"


class Bm25Index:
    """Passages by their words, as `STATED` says; Lù 2024 (arXiv 2407.03618), Kamphuis et al. 2020 for the formula."""

    def __init__(self, passages: Sequence[str]) -> None:
        import bm25s

        self._index = bm25s.BM25(method="lucene", k1=1.5, b=0.75)
        self._passages = len(passages)
        words = _words(passages)
        self._known = {word for row in words for word in row}
        if self._known:
            self._index.index(words, show_progress=False)

    def search(self, queries: Sequence[str], k: int) -> Ranking:
        """Numbers of the k best passages of each query, the best first, int64 [queries, k]; of equal ones the first.

        Passages without a word of the query stand behind all others; there are fewer columns where there are fewer
        passages.
        """
        found = np.zeros((len(queries), min(k, self._passages)), np.int64)
        for row, words in enumerate(_words(queries)):
            known = [word for word in words if word in self._known]
            scores = self._index.get_scores(known) if known else np.zeros(self._passages, np.float32)
            found[row] = best_rows(scores, found.shape[1])
        return found


def _words(texts: Sequence[str]) -> list[list[str]]:
    import bm25s

    words: list[list[str]] = bm25s.tokenize(list(texts), stopwords=None, return_ids=False, show_progress=False)
    return words
