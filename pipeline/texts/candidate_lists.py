"""The list of every query: what is relevant to it, and passages that are easily taken for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from decant.errors import InputError
from pipeline.measure.retrieval import Ranking, RetrievalSet
from pipeline.texts.candidate_settings import CandidateSettings

FILE = "lists.npz"
NONE = -1


@dataclass(frozen=True)
class Lists:
    """Passages by query; a list's relevant ones come first, by grade.

    Args:
        queries: number of each list's query, int32 [lists].
        documents: numbers of its passages, -1 where it is shorter, int32 [lists, per_query].
        relevant: which of them were judged relevant, bool [lists, per_query].
        without: queries for which nothing was found, and which have no list.
    """

    queries: NDArray[np.int32]
    documents: NDArray[np.int32]
    relevant: NDArray[np.bool_]
    without: int

    @property
    def present(self) -> NDArray[np.bool_]:
        """Where a passage stands, bool [lists, per_query]."""
        return self.documents != NONE

    @property
    def shorter(self) -> int:
        """Lists with fewer passages than were asked for."""
        return int((~self.present).any(axis=1).sum())

    def save(self, folder: Path) -> None:
        """All of it in one file."""
        np.savez(
            folder / FILE, queries=self.queries, documents=self.documents, relevant=self.relevant,
            without=np.int64(self.without),
        )  # fmt: skip

    @classmethod
    def load(cls, folder: Path) -> Lists:
        """What `save` wrote."""
        with np.load(folder / FILE) as found:
            return cls(found["queries"], found["documents"], found["relevant"], int(found["without"]))


def check_candidates(settings: CandidateSettings, passages: int) -> None:
    """Refuse lists and ranks that so many passages cannot fill.

    Raises:
        InputError: names the setting.
    """
    if settings.window[1] > passages:
        raise InputError(
            f"candidates.window: rank {settings.window[1]} is beyond the {passages:,} passages; lower its end"
        )
    if settings.per_query > passages:
        raise InputError(
            f"candidates.per_query: {settings.per_query} are more than the {passages:,} passages there are"
        )


def candidate_lists(
    train: RetrievalSet, searches: Sequence[Ranking], settings: CandidateSettings, seed: int
) -> Lists:  # fmt: skip
    """A list a query, drawn from the window of ranks of all searches, the same again for the same seed.

    Every passage stands there once, whatever number of times the folder has its text; one that repeats a relevant one
    nearly is left out, since it would be a negative that answers the query. A list of one passage is none.

    Args:
        train: a query without a relevant document gets a list of found ones alone.
        searches: each the ranked passages of every query, int64 [queries, found].

    Raises:
        InputError: no query has a list.
    """
    first, low = first_of_text(train.documents), settings.window[0] - 1

    @cache
    def words(document: int) -> frozenset[str]:
        return frozenset(train.documents[document].casefold().split())

    rows, kept = [], []
    for number, grades in enumerate(train.relevance):
        relevant = relevant_of(grades, first)[: max(1, settings.per_query // 2)]
        found = {int(first[one]) for ranked in searches for one in ranked[number, low : settings.window[1]]}
        pool = np.array(sorted(found - {*relevant_of(grades, first)}), np.int64)
        chosen: list[int] = []
        for one in np.random.default_rng([seed, number]).permutation(pool).tolist():
            if len(relevant) + len(chosen) == settings.per_query:
                break
            if not any(_share(words(one), words(answer)) >= settings.near_duplicates for answer in relevant):
                chosen.append(one)
        if len(relevant) + len(chosen) >= 2:
            rows.append(number)
            kept.append((relevant, chosen))
    if len(rows) < 2:
        raise InputError(f"candidates: {len(rows)} of {len(train.queries)} queries have a list; at least 2 are needed")
    documents = np.full((len(rows), settings.per_query), NONE, np.int32)
    judged = np.zeros(documents.shape, bool)
    for row, (relevant, chosen) in enumerate(kept):
        documents[row, : len(relevant) + len(chosen)] = relevant + chosen
        judged[row, : len(relevant)] = True
    return Lists(np.array(rows, np.int32), documents, judged, len(train.queries) - len(rows))


def first_of_text(documents: Sequence[str]) -> NDArray[np.int64]:
    """Of each document the number of the first one that has its text, int64 [documents]."""
    places: dict[str, int] = {}
    return np.array([places.setdefault(text, number) for number, text in enumerate(documents)], np.int64)


def relevant_of(grades: Mapping[int, int], first: NDArray[np.int64]) -> list[int]:
    """The documents of positive grade by their first number, the best graded first, each once."""
    ordered = sorted(grades.items(), key=lambda one: (-one[1], one[0]))
    return list(dict.fromkeys(int(first[document]) for document, grade in ordered if grade > 0))


def _share(words: frozenset[str], others: frozenset[str]) -> float:
    """Jaccard: of all words of two texts the share that both have."""
    return len(words & others) / max(1, len(words | others))
