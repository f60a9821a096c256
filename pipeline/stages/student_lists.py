"""What a student of rankings learns from, and what it is judged by on the way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from decant.models.prompts import read_behind
from decant.training.training import Training
from pipeline.measure.ranking_figures import DEPTH, ranking_figures
from pipeline.measure.retrieval import retrieve
from pipeline.measure.set_metrics import RANKING_METRICS, RankingMetric
from pipeline.recipe.recipe import Recipe
from pipeline.recipe.recipe_prompts import student_prompts
from pipeline.stages.stage import Made, Run
from pipeline.stages.table import turned
from pipeline.texts.candidate_lists import Lists, first_of_text, relevant_of
from students.distill.distill_lists import ListData, distill_lists
from students.distill.distill_settings import PairSettings
from students.nesting.exits import encode_exits, unit_slice
from students.nesting.nested import all_dims
from students.pair_student import Student
from teachers.labels.vector_store import Vectors

Array = NDArray[np.float32]
PAIRS_AT_ONCE = 8192


@dataclass(frozen=True)
class ListsOfStudent:
    """The lists as the student reads them, behind its prompts, and the queries of dev."""

    recipe: Recipe
    data: ListData
    metric: RankingMetric
    dev_queries: list[str]
    dev_documents: list[str]
    relevance: tuple[dict[int, int], ...]

    @classmethod
    def of(cls, run: Run, made: Made) -> ListsOfStudent:
        """Those of a run; of a static student the teachers' vectors as its table was turned."""
        recipe, rankings, lists = run.recipe, made.texts.rankings, made.lists
        assert rankings is not None
        assert lists is not None
        assert recipe.candidates is not None
        prompts, columns = student_prompts(recipe, run.base), recipe.texts.columns
        train, first = rankings.train, first_of_text(rankings.train.documents)
        queries = [train.queries[number] for number in lists.queries]
        vectors = None
        if made.vector_targets is not None:
            side = made.vector_targets.side_vectors
            vectors = side(queries, columns.first_prompt), side(train.documents, columns.second_prompt)
        scores = _scores(made, lists, vectors)
        logits = made.pair_targets is not None
        if vectors is not None and made.table is not None:
            vectors = turned(made.table, vectors[0]), turned(made.table, vectors[1])
        judged = [np.array(relevant_of(train.relevance[number], first), np.int32) for number in lists.queries]
        data = ListData(
            list(read_behind(queries, prompts, columns.first_prompt)),
            read_behind(train.documents, prompts, columns.second_prompt), lists.documents, lists.relevant, judged,
            scores, score_limits(scores, lists.relevant, recipe.candidates.false_negatives, logits=logits),
            not logits, vectors,
        )  # fmt: skip
        return cls(
            recipe, data, main_metric(recipe), list(read_behind(rankings.dev.queries, prompts, columns.first_prompt)),
            list(read_behind(rankings.dev.documents, prompts, columns.second_prompt)), rankings.dev.relevance,
        )  # fmt: skip

    def judge(self, student: Student) -> Callable[[], float]:
        """The metric on dev; of a nested student, its mean over every depth and vector length."""
        encoder = student.encoder
        if self.recipe.student.nesting is None:
            return lambda: self._value(encoder.encode(self.dev_queries), encoder.encode(self.dev_documents))
        dims = all_dims(encoder.width, self.recipe.student.dims)

        def over_all() -> float:
            exits = zip(encode_exits(encoder, self.dev_queries), encode_exits(encoder, self.dev_documents), strict=True)
            return float(
                np.mean([self._value(unit_slice(u, dim), unit_slice(v, dim)) for u, v in exits for dim in dims])
            )

        return over_all

    def train(self, student: Student, training: Training[PairSettings]) -> Student:
        """The student with the weights that were best on dev."""
        return distill_lists(student, self.data, training, self.judge(student))

    def _value(self, queries: Array, documents: Array) -> float:
        return float(ranking_figures(retrieve(queries, documents, DEPTH), self.relevance)[self.metric].mean())


def main_metric(recipe: Recipe) -> RankingMetric:
    """What a recipe of a ranking judges by."""
    return next((name for name in RANKING_METRICS if name == recipe.measure.metric), RANKING_METRICS[0])


def score_limits(scores: Array, relevant: NDArray[np.bool_], share: float, *, logits: bool) -> Array:
    """Above which score of the teacher a document is no negative, float32 [lists]; none where none was judged relevant.

    The share of the score that the teacher gives to the relevant document that it scores lowest; of logits, of what
    the logistic function makes of it. Moreira et al. 2024 (NV-Retriever), "TopK-PercPos", with a share of 0.95.

    Args:
        scores: float32 [lists, size].
        relevant: bool [lists, size].
    """
    least = np.where(relevant, scores, np.inf).min(axis=1).astype(np.float64)
    judged = np.isfinite(least)
    known = np.where(judged, least, 0.0)
    limits = logit(share * expit(known)) if logits else np.where(known > 0, share * known, known)
    return np.where(judged, limits, np.inf).astype(np.float32)


def _scores(made: Made, lists: Lists, vectors: tuple[Vectors, Vectors] | None) -> Array:
    """The teacher's score of each passage of each list, float32 [lists, size]: raw logits, or cosines."""
    scores = np.full(lists.documents.shape, np.nan, np.float32)
    if made.pair_targets is not None:
        scores[lists.present] = made.pair_targets.logits[: int(lists.present.sum()), 0]
        return scores
    assert vectors is not None
    rows, columns = np.nonzero(lists.present)
    documents = lists.documents[rows, columns].astype(np.int64)
    for start in range(0, len(rows), PAIRS_AT_ONCE):
        here = slice(start, start + PAIRS_AT_ONCE)
        products = vectors[0].take(rows[here]) * vectors[1].take(documents[here])
        scores[rows[here], columns[here]] = products.sum(axis=1)
    return scores
