import codecs
import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import ndcg_score

from decant.errors import InputError
from pipeline.measure.retrieval import BLOCK_QUERIES, ndcg, read_beir, recall, retrieve

CORPUS = [
    {"_id": "a", "title": "Wings", "text": "lift of a wing"},
    {"_id": "b", "title": "", "text": "drag"},
    {"_id": "c", "text": "heat"},
]
QUERIES = [{"_id": "1", "text": "what lifts"}, {"_id": "a", "text": "not judged"}, {"_id": "2", "text": "how hot"}]
QRELS = "query-id\tcorpus-id\tscore\n2\tc\t3\n1\ta\t2\n1\tb\t0\n"


def _folder(path: Path, corpus: str | None = None, queries: str | None = None, qrels: str | None = QRELS) -> Path:
    (path / "qrels").mkdir()
    (path / "corpus.jsonl").write_text(_lines(CORPUS) if corpus is None else corpus, encoding="utf-8")
    (path / "queries.jsonl").write_text(_lines(QUERIES) if queries is None else queries, encoding="utf-8")
    if qrels is not None:
        (path / "qrels" / "test.tsv").write_text(qrels, encoding="utf-8")
    return path


def _lines(rows: list[dict[str, str]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def test_ndcg_is_the_graded_sum_over_the_ideal_one() -> None:
    # Found grades 2, 0, 1 at ranks 1 to 3: 2/log2(2) + 1/log2(4) = 2.5. Ideal 3, 2, 1: 3 + 2/log2(3) + 1/2.
    ranking, relevance = np.array([[7, 4, 9]]), [{7: 2, 9: 1, 5: 3, 4: 0}]
    assert ndcg(ranking, relevance, 3)[0] == pytest.approx(2.5 / (3.5 + 2 / np.log2(3)))
    assert ndcg(ranking, relevance, 1)[0] == pytest.approx(2 / 3)


def test_ndcg_is_1_for_the_ideal_order_and_0_where_nothing_is_relevant_or_found() -> None:
    relevance = [{5: 3, 7: 2, 9: 1}, {5: 0}, {1: 1}]
    assert ndcg(np.array([[5, 7, 9], [5, 7, 9], [5, 7, 9]]), relevance, 10).tolist() == [1.0, 0.0, 0.0]


def test_ndcg_of_fewer_documents_found_than_k_is_measured_against_all_that_k_could_hold() -> None:
    assert ndcg(np.array([[0]]), [{0: 1, 1: 1}], 2)[0] == pytest.approx(1 / (1 + 1 / np.log2(3)))


def test_ndcg_agrees_with_scikit_learn() -> None:
    generator = np.random.default_rng(0)
    grades, scores = generator.integers(0, 5, (20, 30)), generator.normal(size=(20, 30))
    ranking = np.argsort(-scores, axis=1)
    relevance = [dict(enumerate(row.tolist())) for row in grades]
    assert ndcg(ranking, relevance, 10).mean() == pytest.approx(ndcg_score(grades, scores, k=10))


def test_recall_is_the_share_of_positive_documents_found() -> None:
    relevance = [{0: 1, 1: 4, 2: 0, 3: 2}, {2: 0}]
    ranking = np.array([[2, 0, 1, 3], [2, 0, 1, 3]])
    assert recall(ranking, relevance, 2).tolist() == [pytest.approx(1 / 3), 0.0]
    assert recall(ranking, relevance, 4).tolist() == [1.0, 0.0]


@pytest.mark.parametrize("metric", [ndcg, recall])
def test_metrics_refuse_what_does_not_belong_together(metric: object) -> None:
    assert callable(metric)
    with pytest.raises(ValueError, match=r"ranking \(1, 2\) .* of the 2 judged queries"):
        metric(np.array([[0, 1]]), [{0: 1}, {1: 1}], 2)
    with pytest.raises(ValueError, match="k is 0"):
        metric(np.array([[0, 1]]), [{0: 1}], 0)


def test_retrieve_ranks_by_dot_product_and_equal_products_by_place() -> None:
    documents = np.array([[1, 0], [0, 1], [1, 0], [0.6, 0.8]], np.float32)
    ranking = retrieve(np.array([[1, 0], [0, 1]], np.float32), documents, 3)
    assert ranking.tolist() == [[0, 2, 3], [1, 3, 0]]
    assert retrieve(documents[:1], documents, 9).tolist() == [[0, 2, 3, 1]]


def test_retrieve_is_the_same_over_several_blocks() -> None:
    generator = np.random.default_rng(1)
    queries, documents = (generator.normal(size=(n, 8)).astype(np.float32) for n in (2 * BLOCK_QUERIES + 3, 40))
    ranking = retrieve(queries, documents, 5)
    for row in (0, BLOCK_QUERIES, 2 * BLOCK_QUERIES + 2):
        assert ranking[row].tolist() == sorted(range(40), key=lambda i: -float(queries[row] @ documents[i]))[:5]


def test_retrieve_refuses_vectors_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match=r"queries \(1, 2\) and documents \(1, 3\)"):
        retrieve(np.zeros((1, 2), np.float32), np.zeros((1, 3), np.float32), 1)
    with pytest.raises(ValueError, match="k is 0"):
        retrieve(np.zeros((1, 2), np.float32), np.zeros((1, 2), np.float32), 0)
    with pytest.raises(ValueError, match="documents hold values that are not finite"):
        retrieve(np.zeros((1, 2), np.float32), np.full((1, 2), np.nan, np.float32), 1)


def test_read_beir_joins_titles_and_keeps_judged_queries_only(tmp_path: Path) -> None:
    found = read_beir(_folder(tmp_path))
    assert found.documents == ("Wings lift of a wing", "drag", "heat")
    assert found.queries == ("what lifts", "how hot")
    assert found.relevance == ({0: 2, 1: 0}, {2: 3})


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"qrels": None}, r"test\.tsv is missing: a retrieval set has"),
        ({"qrels": ""}, r"test\.tsv:1: the header must be query-id corpus-id score"),
        ({"qrels": QRELS.split("\n")[0]}, "judges nothing"),
        ({"qrels": QRELS + "1\ta\n"}, r"test\.tsv:5 has 2 columns, 3 are needed"),
        ({"qrels": QRELS + "9\ta\t1\n"}, r"test\.tsv:5: '9' is not an _id of queries\.jsonl"),
        ({"qrels": QRELS + "1\td\t1\n"}, r"test\.tsv:5: 'd' is not an _id of corpus\.jsonl"),
        ({"qrels": QRELS + "1\ta\t1\n"}, r"test\.tsv:5: query '1' and document 'a' are judged twice"),
        ({"qrels": QRELS + "2\ta\thigh\n"}, r"test\.tsv:5: score 'high' is not a whole number"),
        ({"qrels": QRELS + "2\ta\t1_0\n"}, r"test\.tsv:5: score '1_0' is not a whole number"),
        ({"qrels": QRELS + "2\ta\t٤\n"}, r"test\.tsv:5: score '٤' is not a whole number"),
        ({"qrels": QRELS + "2\ta\t1.0\n"}, r"test\.tsv:5: score '1\.0' is not a whole number"),
        ({"corpus": '{"_id": "a", "text": "x", "text": "y"}\n'}, r"corpus\.jsonl:1 gives 'text' twice; keep one"),
        ({"qrels": QRELS.replace("1\ta", '"1"\ta')}, r"""test\.tsv:3: '"1"' is not an _id of queries\.jsonl"""),
        ({"corpus": ""}, r"corpus\.jsonl is empty"),
        ({"corpus": _lines(CORPUS) + "{"}, r"corpus\.jsonl:4 is not JSON"),
        ({"corpus": "[" * 100_000 + "\n"}, r"corpus\.jsonl:1 is not JSON"),
        ({"corpus": "9" * 5000 + "\n"}, r"corpus\.jsonl:1 is not JSON"),
        ({"corpus": '["a"]\n'}, r"corpus\.jsonl:1: give an object"),
        ({"corpus": '{"_id": 1, "text": "x"}\n'}, r"corpus\.jsonl:1: give an object"),
        ({"queries": _lines(QUERIES + QUERIES[:1])}, r"queries\.jsonl:4: _id '1' stands there twice"),
    ],
)
def test_a_damaged_folder_is_refused(tmp_path: Path, files: dict[str, str | None], message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_beir(_folder(tmp_path, **files))


def test_a_file_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    folder = _folder(tmp_path)
    (folder / "corpus.jsonl").write_bytes(b'{"_id": "a", "text": "\xff"}\n')
    with pytest.raises(InputError, match=r"corpus\.jsonl is not a text file in UTF-8"):
        read_beir(folder)


def test_a_byte_order_mark_of_any_file_is_dropped_and_what_is_not_asked_for_may_stand_twice(tmp_path: Path) -> None:
    plain = read_beir(_folder(tmp_path))
    for path in [*tmp_path.glob("*.jsonl"), tmp_path / "qrels" / "test.tsv"]:
        path.write_bytes(codecs.BOM_UTF8 + path.read_bytes().replace(b'"text"', b'"note": 1, "note": 2, "text"'))
    assert read_beir(tmp_path) == plain


def test_the_search_is_that_of_a_stable_sort_where_many_products_are_equal() -> None:
    generator = np.random.default_rng(0)
    queries, documents = (generator.integers(-2, 3, (count, 3)).astype(np.float32) for count in (50, 400))
    expected = np.argsort(-(queries @ documents.T), axis=1, kind="stable")
    for k in (1, 7, 399, 400, 500):
        np.testing.assert_array_equal(retrieve(queries, documents, k), expected[:, :k])
