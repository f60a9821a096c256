"""What one search is worth by every figure of a ranking, each as trec_eval computes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from pipeline.measure.bootstrap import bootstrap
from pipeline.measure.evaluate import Judged
from pipeline.measure.retrieval import FloatArray, Ranking, ndcg, recall
from pipeline.measure.set_metrics import RankingMetric
from pipeline.measure.weighted import weighted_mean

DEPTH = 1000
"""Documents of a query that are ranked; what stands behind them counts as not found."""


def ranking_figures(ranking: Ranking, relevance: Sequence[Mapping[int, int]]) -> dict[RankingMetric, FloatArray]:
    """Every figure of each query, in 0..1, float64 [queries] each; arguments as of `pipeline.measure.retrieval.ndcg`.

    Of trec_eval: ndcg_cut_10, recip_rank of the first 10, recall_100, and map of the first 1,000. A document of
    positive grade is relevant; a query without one gets 0.
    """
    found = [_relevant_ranks(row, grades) for row, grades in zip(ranking, relevance, strict=True)]
    wanted = [sum(grade > 0 for grade in grades.values()) for grades in relevance]
    return {
        "ndcg_at_10": ndcg(ranking, relevance, 10),
        "mrr_at_10": np.array([1 / ranks[0] if len(ranks) and ranks[0] <= 10 else 0.0 for ranks in found]),
        "recall_at_100": recall(ranking, relevance, 100),
        "map_at_1000": np.array([_average_precision(*one) for one in zip(found, wanted, strict=True)]),
    }


def judged_ranking(
    ranking: Ranking, relevance: Sequence[Mapping[int, int]], metric: RankingMetric, *, resamples: int, seed: int
) -> Judged:
    """The means of every figure over the queries, and the main one on each resample of them.

    Args:
        metric: the main one.
        resamples: of the bootstrap.
        seed: of the resamples; of one seed they are the same for every model.
    """
    figures = ranking_figures(ranking, relevance)
    samples = bootstrap(weighted_mean(figures[metric]), len(relevance), resamples=resamples, seed=seed)
    return Judged(
        metric, {str(name): float(values.mean()) for name, values in figures.items()}, samples, len(relevance)
    )


def _relevant_ranks(row: Ranking, grades: Mapping[int, int]) -> FloatArray:
    """Ranks, from 1, of the documents of positive grade among the first ones, ascending."""
    relevant = [document for document, grade in grades.items() if grade > 0]
    return (np.flatnonzero(np.isin(row[:DEPTH], relevant)) + 1).astype(np.float64)


def _average_precision(ranks: FloatArray, wanted: int) -> float:
    """Σ of the precision at each relevant document's rank, divided by how many there are in all."""
    return float((np.arange(1, len(ranks) + 1) / ranks).sum() / wanted) if wanted else 0.0
