"""Retrieval by exact search: nDCG and recall at a cut-off, on test sets in BEIR's layout."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from decant.errors import InputError
from pipeline.texts.json_line import json_line
from pipeline.texts.numbers import parse_whole

Vectors = NDArray[np.float32]
FloatArray = NDArray[np.float64]
Ranking = NDArray[np.int64]

QRELS_HEADER = ["query-id", "corpus-id", "score"]
BLOCK_QUERIES = 256


@dataclass(frozen=True)
class RetrievalSet:
    """Queries, the documents to find, and who judged which relevant."""

    documents: tuple[str, ...]
    """Title and text of each, joined by a space."""
    queries: tuple[str, ...]
    """Those with a judgement, in the file's order."""
    relevance: tuple[dict[int, int], ...]
    """Of each query: number of a document → its grade; documents not named have grade 0."""


def read_beir(folder: Path, split: str = "test") -> RetrievalSet:
    """Read corpus.jsonl, queries.jsonl and qrels/`split`.tsv of a folder in BEIR's layout (Thakur et al. 2021).

    Queries and documents have ids of their own kind: a document is not left out for bearing its query's id, which
    BEIR's evaluation does.

    Raises:
        InputError: a file is missing, damaged or empty, an id stands twice, or a judgement names an unknown id.
    """
    documents, queries = read_collection(folder)
    judged = read_judgements(folder / "qrels" / f"{split}.tsv", queries, documents)
    return RetrievalSet(
        documents=tuple(documents.values()),
        queries=tuple(text for key, text in queries.items() if key in judged),
        relevance=tuple(judged[key] for key in queries if key in judged),
    )


def read_collection(folder: Path) -> tuple[dict[str, str], dict[str, str]]:
    """All documents and all queries of such a folder, judged or not: id → text, in the files' order.

    Raises:
        InputError: as `read_beir`.
    """
    return _read_texts(folder / "corpus.jsonl"), _read_texts(folder / "queries.jsonl")


def retrieve(queries: Vectors, documents: Vectors, k: int) -> Ranking:
    """Exact search by dot product: numbers of the k best documents of each query, the best first, int64 [queries, k].

    Of equal products the document that comes first wins. There are fewer columns where there are fewer documents.

    Args:
        queries: float32 [queries, dim].
        documents: float32 [documents, dim].
        k: documents a query, 1 or more.

    Raises:
        ValueError: widths differ, k is below 1, or a vector is not finite.
    """
    if queries.ndim != 2 or documents.ndim != 2 or queries.shape[1] != documents.shape[1]:
        raise ValueError(f"queries {queries.shape} and documents {documents.shape} must both be [n, dim]")
    if k < 1:
        raise ValueError(f"k is {k}, at least 1 is needed")
    for name, vectors in (("queries", queries), ("documents", documents)):
        if not np.all(np.isfinite(vectors)):
            raise ValueError(f"{name} hold values that are not finite")
    ranking = np.zeros((len(queries), min(k, len(documents))), np.int64)
    for start in range(0, len(queries), BLOCK_QUERIES):
        block = queries[start : start + BLOCK_QUERIES] @ documents.T
        for row, products in enumerate(block, start=start):
            ranking[row] = best_rows(products, ranking.shape[1])
    return ranking


def ndcg(ranking: Ranking, relevance: Sequence[Mapping[int, int]], k: int) -> FloatArray:
    """nDCG@k of each query, in 0..1, float64 [queries].

    As trec_eval's ndcg_cut, which pytrec_eval and BEIR call: the gain is the grade itself, Σ grade / log2(rank + 1)
    over the first k ranks, divided by the same of the ideal order (Järvelin & Kekäläinen 2002), and not the
    exponential 2^grade − 1. A query without a document of positive grade gets 0.

    Args:
        ranking: documents of each query, the best first, each once, int64 [queries, found].
        relevance: of each query, grades by document; 0 where none is given.
        k: ranks that count, 1 or more.

    Raises:
        ValueError: the lengths differ, or k is below 1.
    """
    _check_ranking(ranking, relevance, k)
    discount = 1 / np.log2(np.arange(2, k + 2))
    values = np.zeros(len(ranking))
    for query, grades in enumerate(relevance):
        found = np.array([max(0, grades.get(int(document), 0)) for document in ranking[query, :k]], np.float64)
        ideal = np.array(sorted((max(0, grade) for grade in grades.values()), reverse=True)[:k], np.float64)
        best = ideal @ discount[: len(ideal)]
        values[query] = found @ discount[: len(found)] / best if best else 0.0
    return values


def recall(ranking: Ranking, relevance: Sequence[Mapping[int, int]], k: int) -> FloatArray:
    """Share of each query's documents of positive grade among its first k, in 0..1, float64 [queries].

    A query without such a document gets 0. Arguments and errors as in `ndcg`.
    """
    _check_ranking(ranking, relevance, k)
    values = np.zeros(len(ranking))
    for query, grades in enumerate(relevance):
        wanted = [document for document, grade in grades.items() if grade > 0]
        values[query] = np.isin(wanted, ranking[query, :k]).sum() / len(wanted) if wanted else 0.0
    return values


def best_rows(products: Vectors, k: int) -> Ranking:
    """Numbers of the k greatest products [documents], of equal ones the first; a full sort takes ten times as long."""
    least = np.partition(products, len(products) - k)[len(products) - k]
    reached = np.flatnonzero(products >= least)  # more than k where several are equal to the last
    return reached[np.argsort(-products[reached], kind="stable")[:k]]


def _check_ranking(ranking: Ranking, relevance: Sequence[Mapping[int, int]], k: int) -> None:
    if ranking.ndim != 2 or len(ranking) != len(relevance):
        raise ValueError(f"ranking {ranking.shape} must be [queries, found] of the {len(relevance)} judged queries")
    if k < 1:
        raise ValueError(f"k is {k}, at least 1 is needed")


def _read_texts(path: Path) -> dict[str, str]:
    """Id → title and text, in the file's order."""
    texts: dict[str, str] = {}
    for number, line in _lines(path):
        entry = json_line(line, f"{path}:{number}", ("_id", "title", "text"))
        if (
            not isinstance(entry, dict)
            or not isinstance(entry.get("_id"), str)
            or not isinstance(entry.get("text"), str)
        ):
            raise InputError(f'{path}:{number}: give an object with the strings "_id" and "text", and "title" if any')
        if entry["_id"] in texts:
            raise InputError(f"{path}:{number}: _id {entry['_id']!r} stands there twice; ids must differ")
        texts[entry["_id"]] = f"{entry.get('title') or ''} {entry['text']}".strip()
    if not texts:
        raise InputError(f"{path} is empty; one JSON object a line is needed")
    return texts


def read_judgements(path: Path, queries: Mapping[str, str], documents: Mapping[str, str]) -> dict[str, dict[int, int]]:
    """Query id → number of a document → grade, in the file's order.

    Raises:
        InputError: as `read_beir`.
    """
    numbers = {key: number for number, key in enumerate(documents)}
    judged: dict[str, dict[int, int]] = {}
    lines = _lines(path)
    _, header = next(lines, (1, ""))
    if header.split("\t") != QRELS_HEADER:
        raise InputError(f"{path}:1: the header must be {' '.join(QRELS_HEADER)}, tab-separated; it is {header!r}")
    for number, line in lines:
        cells = line.split("\t")
        if len(cells) != 3:
            raise InputError(f"{path}:{number} has {len(cells)} columns, 3 are needed: {' '.join(QRELS_HEADER)}")
        query, document, grade = cells
        for key, known, file in ((query, queries, "queries.jsonl"), (document, numbers, "corpus.jsonl")):
            if key not in known:
                raise InputError(f"{path}:{number}: {key!r} is not an _id of {file}; judge only what is there")
        if numbers[document] in judged.setdefault(query, {}):
            raise InputError(f"{path}:{number}: query {query!r} and document {document!r} are judged twice")
        whole = parse_whole(grade)
        if whole is None:
            raise InputError(f"{path}:{number}: score {grade!r} is not a whole number")
        judged[query][numbers[document]] = whole
    if not judged:
        raise InputError(f"{path} judges nothing; a header and one judgement a line are needed")
    return judged


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Number and content of every line that is not blank."""
    if not path.is_file():
        raise InputError(f"{path} is missing: a retrieval set has corpus.jsonl, queries.jsonl and qrels/test.tsv")
    try:
        with path.open(encoding="utf-8-sig", newline="\n") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield number, line.rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not a text file in UTF-8") from error
