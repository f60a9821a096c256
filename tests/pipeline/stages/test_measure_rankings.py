from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.measure.evaluate import Judged
from pipeline.measure.ranking_figures import judged_ranking
from pipeline.measure.retrieval import RetrievalSet
from pipeline.recipe.recipe import Recipe
from pipeline.stages.measure_rankings import ranking_notes, reranked
from pipeline.texts.candidate_lists import Lists
from pipeline.texts.rankings import Rankings

TEST = RetrievalSet(("a", "bb", "ccc", "dddd"), ("one", "two"), ({3: 1}, {0: 2}))


def by_length(pairs: Sequence[tuple[str, str]]) -> NDArray[np.float32]:
    return np.array([len(document) * (1 if query == "one" else -1) for query, document in pairs], np.float32)


def test_the_first_ones_are_ordered_by_score_and_the_others_stay() -> None:
    found = np.array([[0, 1, 2, 3], [3, 2, 1, 0]])
    assert reranked(by_length, TEST, found, 3).tolist() == [[2, 1, 0, 3], [1, 2, 3, 0]]
    assert reranked(by_length, TEST, found, 100).tolist() == [[3, 2, 1, 0], [0, 1, 2, 3]]


def test_of_equal_scores_the_first_found_stands_first() -> None:
    found = np.array([[2, 0, 3, 1], [1, 3, 0, 2]])
    assert reranked(lambda pairs: np.zeros(len(pairs), np.float32), TEST, found, 4).tolist() == found.tolist()


def test_shorter_lists_and_doubled_passages_are_told() -> None:
    recipe = Recipe.model_validate(
        {
            "name": "a",
            "texts": {"task": {"kind": "ranking"}, "train": "found"},
            "embedding": {"teachers": [{"model": "a/b"}]},
            "student": {"model": "a/b"},
        }
    )
    doubled = RetrievalSet((*TEST.documents, "bb"), TEST.queries, TEST.relevance)
    lists = Lists(np.array([0, 1], np.int32), np.array([[0, 1, -1], [2, 3, 1]], np.int32), np.zeros((2, 3), bool), 4)
    said = ranking_notes(recipe, Rankings(doubled, doubled, doubled), lists)
    assert said == [
        "a/test: 1 of its 5 documents repeat another word for word; each counts, and of equal ones the first is found "
        "first.",
        "Lists to learn from: 2, of which 1 hold fewer than 3 passages; 4 queries have none.",
    ]
    assert ranking_notes(recipe, Rankings(TEST, TEST, TEST), None) == []


def test_a_ranking_is_judged_by_the_means_of_its_queries() -> None:
    one: Judged = judged_ranking(
        np.array([[0, 3, 1, 2], [0, 1, 2, 3]]), TEST.relevance, "mrr_at_10", resamples=50, seed=0
    )  # fmt: skip
    assert one.value == pytest.approx(0.75)
    assert one.values["ndcg_at_10"] == pytest.approx((1 / np.log2(3) + 1) / 2)
    assert one.examples == 2
    assert set(np.round(one.samples, 6)) <= {0.5, 0.75, 1.0}
