import numpy as np
import pytest

from pipeline.measure.ranking_figures import ranking_figures
from pipeline.measure.retrieval import retrieve


def test_figures_by_hand() -> None:
    # Relevant at ranks 2 and 4, and one not found: MAP (1/2 + 2/4) / 3, MRR 1/2, recall 2/3.
    found = ranking_figures(np.array([[9, 1, 8, 2]]), [{1: 1, 2: 2, 3: 1, 9: 0}])
    assert found["map_at_1000"][0] == pytest.approx(1 / 3)
    assert found["mrr_at_10"][0] == pytest.approx(1 / 2)
    assert found["recall_at_100"][0] == pytest.approx(2 / 3)


def test_what_stands_behind_the_cut_counts_as_not_found() -> None:
    ranking = np.arange(1200)[None]
    assert ranking_figures(ranking, [{10: 1}])["mrr_at_10"][0] == 0.0
    assert ranking_figures(ranking, [{9: 1}])["mrr_at_10"][0] == pytest.approx(0.1)
    assert ranking_figures(ranking, [{1000: 1}])["map_at_1000"][0] == 0.0
    assert ranking_figures(ranking, [{999: 1}])["map_at_1000"][0] == pytest.approx(0.001)


def test_a_query_without_a_relevant_document_gets_0() -> None:
    found = ranking_figures(np.array([[0, 1]]), [{0: 0}])
    assert {name: values.tolist() for name, values in found.items()} == dict.fromkeys(found, [0.0])


def test_the_figures_are_those_of_trec_eval() -> None:
    pytrec_eval = pytest.importorskip("pytrec_eval", reason="pip install pytrec_eval-terrier")
    generator = np.random.default_rng(0)
    queries, documents = generator.normal(size=(40, 8)), generator.normal(size=(1500, 8))
    ranking = retrieve(queries.astype(np.float32), documents.astype(np.float32), 1000)
    relevance = [
        {int(one): int(generator.integers(-1, 4)) for one in generator.choice(1500, generator.integers(1, 60), False)}
        for _ in queries
    ]
    qrels = {f"q{query}": {f"d{one}": grade for one, grade in row.items()} for query, row in enumerate(relevance)}
    depths = {"ndcg_at_10": ("ndcg_cut_10", None), "mrr_at_10": ("recip_rank", 10),
              "recall_at_100": ("recall_100", None), "map_at_1000": ("map", None)}  # fmt: skip
    found = ranking_figures(ranking, relevance)
    for name, (measure, depth) in depths.items():
        run = {f"q{query}": {f"d{one}": float(-rank) for rank, one in enumerate(row[:depth])}
               for query, row in enumerate(ranking)}  # fmt: skip
        theirs = pytrec_eval.RelevanceEvaluator(qrels, {measure}).evaluate(run)
        expected = [theirs[f"q{query}"][measure] for query in range(len(queries))]
        np.testing.assert_allclose(found[name], expected, atol=1e-6, err_msg=name)
