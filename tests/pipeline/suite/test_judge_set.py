"""What a set makes of vectors that are known by hand: a model here looks its texts up."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import spearmanr
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score

from decant.errors import GateError, InputError
from decant.models.layout import Similarity
from decant.models.prompts import Prompts
from decant.progress import unwatched
from pipeline.measure.evaluate import Judged
from pipeline.suite.judge_set import judge_set
from pipeline.suite.read_sets import read_sets
from pipeline.suite.settings import Suite
from tests.suite_data import write_ranking
from tests.tiny_runs import write_tsv


class Known:
    """A model of vectors that are given."""

    def __init__(
        self, vectors: Mapping[str, Sequence[float]], similarity: Similarity = "cosine", prompts: Prompts | None = None
    ) -> None:
        self.vectors, self.similarity, self.prompts = vectors, similarity, prompts or Prompts()
        self.unit, self.asked = False, list[tuple[str | None, str]]()

    @property
    def dim(self) -> int:
        return 2

    def encode(
        self, texts: Sequence[str], batch_size: int = 32, progress: Callable[[int], None] | None = None, *,
        prompt: str | None = None, unit: bool = True,
    ) -> NDArray[np.float32]:  # fmt: skip
        self.asked += [(prompt, text) for text in texts]
        found = np.array([self.vectors[text] for text in texts], np.float32)
        return found / np.linalg.norm(found, axis=1, keepdims=True) if unit else found


def judged(one: dict[str, Any], base: Path, model: Known) -> Judged:
    sets = read_sets(Suite.model_validate({"sets": {"it": one}}).sets, base)
    with unwatched("", 0) as advance:
        return judge_set(sets[0], model, 200, 0, advance)


SCENE = {"near": [1.0, 0.1], "far": [5.0, 5.0], "wrong": [0.0, 1.0], "q": [1.0, 0.0]}


@pytest.mark.parametrize(("similarity", "first"), [("cosine", "near"), ("dot", "far"), ("euclidean", "near")])
def test_a_ranking_is_searched_as_the_model_compares(similarity: Similarity, first: str, tmp_path: Path) -> None:
    texts = ["wrong", "far", "near"]
    write_ranking(tmp_path / "set", texts, ["q"], [(0, texts.index(first), 1)])
    found = judged({"kind": "ranking", "path": "set"}, tmp_path, Known(SCENE, similarity))
    assert found.values == {"ndcg_at_10": 1.0, "mrr_at_10": 1.0, "recall_at_100": 1.0, "map_at_1000": 1.0}


def test_a_model_that_compares_by_manhattan_is_refused(tmp_path: Path) -> None:
    write_ranking(tmp_path / "set", ["near"], ["q"], [(0, 0, 1)])
    with pytest.raises(InputError, match="it: the model compares by manhattan"):
        judged({"kind": "ranking", "path": "set"}, tmp_path, Known(SCENE, "manhattan"))


def test_of_equal_documents_the_first_is_found_first_and_each_text_is_read_once(tmp_path: Path) -> None:
    write_ranking(tmp_path / "set", ["near", "wrong", "near"], ["q"], [(0, 2, 1)])
    model = Known(SCENE)
    found = judged({"kind": "ranking", "path": "set", "metric": "mrr_at_10"}, tmp_path, model)
    assert (found.metric, found.value, found.examples) == ("mrr_at_10", 0.5, 1)
    assert model.asked == [(None, "q"), (None, "near"), (None, "wrong")]


def test_queries_and_documents_stand_behind_the_models_own_prompts(tmp_path: Path) -> None:
    write_ranking(tmp_path / "set", ["near"], ["q"], [(0, 0, 1)])
    model = Known(SCENE, prompts=Prompts({"query": "query: ", "passage": "passage: "}))
    judged({"kind": "ranking", "path": "set"}, tmp_path, model)
    assert model.asked == [("query", "q"), ("passage", "near")]


def test_the_interval_is_over_queries(tmp_path: Path) -> None:
    write_ranking(tmp_path / "set", ["near", "wrong"], ["q"] * 40, [(row, row % 2, 1) for row in range(40)])
    found = judged({"kind": "ranking", "path": "set", "metric": "mrr_at_10"}, tmp_path, Known(SCENE))
    assert found.value == pytest.approx(0.75)
    assert found.samples.std() == pytest.approx(0.25 / np.sqrt(40), rel=0.2)


def random_pairs(folder: Path, labels: Sequence[object]) -> tuple[Known, NDArray[np.float64]]:
    generator = np.random.default_rng(1)
    rows = [(f"a{row}", f"b{row}", str(label)) for row, label in enumerate(labels)]
    write_tsv(folder / "pairs.tsv", rows)
    vectors = {text: generator.normal(size=3) for row in rows for text in row[:2]}
    unit = {text: vector / np.linalg.norm(vector) for text, vector in vectors.items()}
    return Known({text: vector.tolist() for text, vector in vectors.items()}), np.array(
        [unit[first] @ unit[second] for first, second, _ in rows]
    )


def test_pairs_are_judged_by_their_cosines(tmp_path: Path) -> None:
    labels = np.random.default_rng(0).normal(size=30).round(3)
    model, cosines = random_pairs(tmp_path, labels.tolist())
    found = judged({"kind": "pairs", "source": "pairs.tsv"}, tmp_path, model)
    assert found.value == pytest.approx(spearmanr(cosines, labels).statistic)


def test_pairs_of_two_classes_need_no_threshold(tmp_path: Path) -> None:
    labels = np.random.default_rng(0).integers(0, 2, 30)
    model, cosines = random_pairs(tmp_path, ["yes" if one else "no" for one in labels])
    one = {"kind": "pairs", "source": "pairs.tsv", "task": "binary", "classes": ["no", "yes"]}
    found = judged(one, tmp_path, model)
    assert found.values == {"average_precision": pytest.approx(average_precision_score(labels, cosines))}


def test_classes_are_what_logistic_regression_reads(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    vectors = {f"t{row}": generator.normal(size=2) for row in range(90)}
    unit = np.array([vector / np.linalg.norm(vector) for vector in vectors.values()], np.float32)
    labels = ["up" if vector[1] + generator.normal() > 0 else "down" for vector in vectors.values()]
    rows = list(zip(vectors, labels, strict=True))
    write_tsv(tmp_path / "train.tsv", rows[:60], ("text", "label"))
    write_tsv(tmp_path / "test.tsv", rows[60:], ("text", "label"))
    one = {"kind": "classes", "train": "train.tsv", "source": "test.tsv"}
    found = judged(one, tmp_path, Known({name: vector.tolist() for name, vector in vectors.items()}))
    regression = LogisticRegression(max_iter=1000).fit(unit[:60], labels[:60])
    assert found.value == pytest.approx(regression.score(unit[60:], labels[60:]))
    assert (found.metric, found.examples) == ("accuracy", 30)


def test_vectors_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    write_ranking(tmp_path / "set", ["near"], ["q"], [(0, 0, 1)])
    with pytest.raises(GateError, match="it: some vectors are not finite"):
        judged({"kind": "ranking", "path": "set"}, tmp_path, Known(SCENE | {"near": [float("nan"), 1.0]}))
