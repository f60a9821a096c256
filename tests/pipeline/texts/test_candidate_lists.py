from pathlib import Path

import numpy as np
import pytest

from decant.errors import InputError
from pipeline.measure.retrieval import Ranking, RetrievalSet
from pipeline.texts.candidate_lists import Lists, candidate_lists, check_candidates
from pipeline.texts.candidate_settings import CandidateSettings

WORDS = ["red", "blue", "green", "white", "black", "young", "old", "big"]
PASSAGES = tuple(f"{one} {other} thing" for one in WORDS for other in WORDS if one != other)


def train(*relevance: dict[int, int], documents: tuple[str, ...] = PASSAGES) -> RetrievalSet:
    return RetrievalSet(documents, tuple(f"query {number}" for number in range(len(relevance))), relevance)


def settings(size: int = 4, first: int = 1, last: int = 10, near: float = 0.9) -> CandidateSettings:
    return CandidateSettings(per_query=size, window=(first, last), near_duplicates=near)


def ranked(*rows: list[int]) -> Ranking:
    return np.array(rows, np.int64)


def test_relevant_passages_come_first_by_grade_and_the_others_from_the_window() -> None:
    found = candidate_lists(
        train({5: 1, 9: 3, 2: 0}, {}), [ranked([5, 1, 2, 3, 4, 6], [7, 8, 9, 10, 11, 12])], settings(5, 2, 5), 0
    )
    assert found.queries.tolist() == [0, 1]
    assert found.documents[0, :2].tolist() == [9, 5]
    assert found.relevant.tolist() == [[True, True, False, False, False], [False] * 5]
    assert set(found.documents[0, 2:].tolist()) < {1, 2, 3, 4}
    assert set(found.documents[1].tolist()) == {8, 9, 10, 11, -1}
    assert (found.shorter, found.without) == (1, 0)


def test_the_same_seed_draws_the_same_lists_and_another_seed_others() -> None:
    searches = [ranked(*(np.random.default_rng(row).permutation(50).tolist() for row in range(6)))]
    data = train(*({row: 1} for row in range(6)))
    lists = [candidate_lists(data, searches, settings(6, 1, 40), seed).documents.tolist() for seed in (0, 0, 1)]
    assert lists[0] == lists[1] != lists[2]


def test_searches_are_joined_and_a_passage_stands_once() -> None:
    found = candidate_lists(train({0: 1}, {1: 1}), [ranked([2, 3], [2, 3]), ranked([3, 4], [0, 3])], settings(8), 0)
    assert sorted(found.documents[0][found.present[0]].tolist()) == [0, 2, 3, 4]
    assert sorted(found.documents[1][found.present[1]].tolist()) == [0, 1, 2, 3]


def test_passages_that_repeat_a_relevant_one_are_no_candidates() -> None:
    documents = ("a b c d e f g h i j", "a b c d e f g h i j", "A b c d e f g h i k", "l m n", "o p q")
    searches = [ranked([0, 1, 2, 3, 4], [3, 4, 0, 1, 2])]
    found = candidate_lists(train({0: 1}, {3: 1}, documents=documents), searches, settings(5, 1, 5, 0.8), 0)
    assert set(found.documents[0].tolist()) == {0, 3, 4, -1}  # 9 of 11 words in common
    assert set(found.documents[1].tolist()) == {3, 0, 2, 4, -1}  # one of the two that are equal
    closer = candidate_lists(train({0: 1}, {3: 1}, documents=documents), searches, settings(5, 1, 5, 0.9), 0)
    assert set(closer.documents[0].tolist()) == {0, 2, 3, 4, -1}


def test_half_a_list_at_most_is_relevant() -> None:
    data = train({row: 1 for row in range(6)}, {0: 1})
    found = candidate_lists(data, [ranked([3, 10, 11, 12], [1, 2, 3, 4])], settings(4), 0)
    assert found.documents[0].tolist()[:2] == [0, 1]
    assert set(found.documents[0].tolist()[2:]) < {10, 11, 12}


def test_a_list_of_one_passage_is_none() -> None:
    data = train({0: 1}, {1: 1}, {2: 1})
    found = candidate_lists(data, [ranked([0, 0], [5, 6], [7, 8])], settings(4), 0)
    assert found.queries.tolist() == [1, 2]
    assert found.without == 1
    with pytest.raises(InputError, match="1 of 3 queries have a list; at least 2 are needed"):
        candidate_lists(data, [ranked([0], [1], [7])], settings(4), 0)


def test_lists_are_read_as_they_were_saved(tmp_path: Path) -> None:
    found = candidate_lists(train({0: 1}, {1: 1}), [ranked([2, 3], [2, 3])], settings(4), 0)
    found.save(tmp_path)
    again = Lists.load(tmp_path)
    assert np.array_equal(again.documents, found.documents)
    assert np.array_equal(again.relevant, found.relevant)
    assert again.queries.tolist() == found.queries.tolist()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (settings(4, 1, 30), "candidates.window: rank 30 is beyond the 20 passages; lower its end"),
        (settings(21, 1, 20), "candidates.per_query: 21 are more than the 20 passages"),
    ],
)
def test_what_the_corpus_cannot_fill_is_refused(given: CandidateSettings, said: str) -> None:
    with pytest.raises(InputError, match=said):
        check_candidates(given, 20)


@pytest.mark.parametrize(
    ("given", "said"),
    [({"bm25": False, "dense": False}, "nothing to find passages by"), ({"window": (9, 3)}, "9 comes after 3")],
)
def test_settings_that_find_nothing_are_refused(given: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        CandidateSettings.model_validate(given)
