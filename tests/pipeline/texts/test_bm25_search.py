import math

import numpy as np

from pipeline.texts.bm25_search import Bm25Index

PASSAGES = ["red house red", "blue house", "green river by the river", "house"]


def score(query: str, passage: str) -> float:
    """Lucene's BM25, written out: idf = ln(1 + (N − n + ½)/(n + ½)), tf/(tf + k1·(1 − b + b·length/mean))."""
    lengths = [len(one.split()) for one in PASSAGES]
    words, total = passage.split(), 0.0
    for word in query.split():
        known = sum(word in one.split() for one in PASSAGES)
        often = words.count(word)
        idf = math.log(1 + (len(PASSAGES) - known + 0.5) / (known + 0.5))
        total += idf * often / (often + 1.5 * (0.25 + 0.75 * len(words) / (sum(lengths) / len(lengths))))
    return total


def test_passages_are_ranked_by_the_formula() -> None:
    index = Bm25Index(PASSAGES)
    for query in ("red house", "house", "river the", "blue red river"):
        expected = np.argsort([-score(query, one) for one in PASSAGES], kind="stable")
        assert index.search([query], 4)[0].tolist() == expected.tolist(), query


def test_of_equal_passages_the_first_is_found_first_and_k_is_what_there_is() -> None:
    index = Bm25Index(["same words", "other", "same words", "same words"])
    assert index.search(["words"], 10).tolist() == [[0, 2, 3, 1]]
    assert index.search(["words"], 2).tolist() == [[0, 2]]


def test_a_query_of_unknown_words_and_passages_without_words_find_the_first() -> None:
    assert Bm25Index(PASSAGES).search(["nothing known", ""], 2).tolist() == [[0, 1], [0, 1]]
    assert Bm25Index(["!", "?"]).search(["word"], 2).tolist() == [[0, 1]]
