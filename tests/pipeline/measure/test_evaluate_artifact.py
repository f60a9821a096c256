from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import pearsonr, spearmanr
from sklearn.metrics import average_precision_score, f1_score, precision_recall_fscore_support

from decant.errors import GateError, InputError
from decant.models.similarity import cosines, pair_vectors
from export.artifact.manifest import COMPARATOR
from export.serve.rerank_session import OnnxReranker
from export.serve.session import OnnxComparator, OnnxEncoder
from pipeline.measure.artifact_scores import checked_scores, reranker_scores
from pipeline.measure.evaluate_artifact import Asked, Reading, evaluate_artifact
from tests.tiny_artifacts import exported_artifact, tiny_reranker
from tests.tiny_runs import CLASSES, Task, decant, pairs, write_tsv


@pytest.fixture(scope="module")
def cosine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An artifact whose decant.json states a threshold."""
    return exported_artifact(tmp_path_factory.mktemp("cosine") / "artifact", threshold=0.6)


@pytest.fixture(scope="module")
def silent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One whose decant.json says nothing of a task."""
    return exported_artifact(tmp_path_factory.mktemp("silent") / "artifact")


@pytest.fixture(scope="module")
def of_classes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return exported_artifact(tmp_path_factory.mktemp("classes") / "artifact", outputs=3)


@pytest.fixture
def rows(tmp_path: Path) -> Callable[[Task, int], tuple[Path, list[tuple[str, str]], np.ndarray]]:
    """A file of pairs, the pairs, and their labels as numbers."""

    def write(task: Task, seed: int) -> tuple[Path, list[tuple[str, str]], np.ndarray]:
        written = pairs(task, 60, seed)
        names = CLASSES if task == "multiclass" else None
        labels = np.array([names.index(row[2]) if names else float(row[2]) for row in written])
        return write_tsv(tmp_path / f"{task}-{seed}.tsv", written), [row[:2] for row in written], labels

    return write


def scores_of(artifact: Path, given: list[tuple[str, str]]) -> np.ndarray:
    return cosines(*pair_vectors(given, OnnxEncoder(artifact, 1).encode))


def test_grades(silent: Path, rows: Callable) -> None:
    file, given, labels = rows("regression", 0)
    found = evaluate_artifact(silent, file)
    scores = scores_of(silent, given)
    assert (found["task"], found["metric"], found["pairs"]) == ("regression", "spearman", 60)
    assert found["spearman"] == pytest.approx(spearmanr(scores, labels).statistic)
    assert found["pearson"] == pytest.approx(pearsonr(scores, labels).statistic)
    assert found["ci95"][0] < found["spearman"] < found["ci95"][1]


def test_a_stated_threshold_is_taken(cosine: Path, rows: Callable) -> None:
    file, given, labels = rows("binary", 0)
    found, scores = evaluate_artifact(cosine, file), scores_of(cosine, given)
    assert (found["task"], found["threshold"], found["threshold_from"]) == ("binary", 0.6, "decant.json")
    expected = precision_recall_fscore_support(labels, scores >= 0.6, average="binary", zero_division=0)
    assert (found["precision"], found["recall"], found["f1"]) == pytest.approx(expected[:3])
    assert found["average_precision"] == pytest.approx(average_precision_score(labels, scores))


def test_a_threshold_is_chosen_on_dev_or_said_to_be_chosen_on_the_same_pairs(silent: Path, rows: Callable) -> None:
    file, given, labels = rows("binary", 0)
    dev_file, dev_given, dev_labels = rows("binary", 1)
    scores, dev_scores = scores_of(silent, given), scores_of(silent, dev_given)
    for asked, origin, chosen_on in (
        (Asked("binary", dev=dev_file), dev_file.name, (dev_scores, dev_labels)),
        (Asked("binary"), "the same pairs", (scores, labels)),
    ):
        found = evaluate_artifact(silent, file, asked=asked)
        assert Path(found["threshold_from"]).name == origin
        on_scores, on_labels = chosen_on
        best = max(f1_score(on_labels, on_scores >= one) for one in on_scores)
        assert f1_score(on_labels, on_scores >= found["threshold"]) == pytest.approx(best)
        assert found["f1"] == pytest.approx(f1_score(labels, scores >= found["threshold"]))
    said = decant("eval", silent, "--pairs", file, "--classes", "0,1")
    assert "chosen on the same pairs; on others expect less, or give --dev" in said.text


def test_dev_goes_before_what_is_stated(cosine: Path, rows: Callable) -> None:
    dev_file = rows("binary", 1)[0]
    found = evaluate_artifact(cosine, rows("binary", 0)[0], asked=Asked(dev=dev_file))
    assert found["threshold"] != 0.6
    assert Path(found["threshold_from"]).name == dev_file.name


def test_classes_of_a_comparator(of_classes: Path, rows: Callable) -> None:
    file, given, labels = rows("multiclass", 0)
    found = evaluate_artifact(of_classes, file, asked=Asked(classes=tuple(CLASSES)))
    logits = OnnxComparator(of_classes / COMPARATOR, 1).logits(*pair_vectors(given, OnnxEncoder(of_classes, 1).encode))
    expected = precision_recall_fscore_support(labels, logits.argmax(1), labels=range(3), zero_division=0)
    assert found["accuracy"] == pytest.approx(np.mean(logits.argmax(1) == labels))
    assert found["macro_f1"] == pytest.approx(np.mean(expected[2]))
    for index, one in enumerate(found["classes"]):
        assert one["name"] == CLASSES[index]
        figures = (one["precision"], one["recall"], one["f1"], one["examples"])
        assert figures == pytest.approx(tuple(part[index] for part in expected))
    said = decant("eval", of_classes, "--pairs", file, "--classes", ",".join(CLASSES))
    assert said.text.startswith("60 pairs: Accuracy ")
    assert [line.split(":")[0] for line in said.text.splitlines()[1:]] == CLASSES


def test_a_reranker(tmp_path: Path, rows: Callable) -> None:
    folder = tiny_reranker(tmp_path / "reranker")
    file, given, labels = rows("regression", 0)
    scores = OnnxReranker(folder, 1).score(given)
    assert evaluate_artifact(folder, file)["spearman"] == pytest.approx(spearmanr(scores, labels).statistic)
    np.testing.assert_allclose(reranker_scores(folder, given, on_scale=True, threads=1), expit(scores), rtol=1e-5)
    with pytest.raises(InputError, match="is a re-ranker, which has no prompts by name"):
        evaluate_artifact(folder, file, Reading(prompts=("query", None)))
    two = tiny_reranker(tmp_path / "two", outputs=2)
    logits = OnnxReranker(two, 1).score(given)
    np.testing.assert_allclose(reranker_scores(two, given, classes=2), logits[:, 1] - logits[:, 0])


@pytest.mark.parametrize(
    ("name", "task", "asked", "said"),
    [
        (
            "silent",
            "multiclass",
            Asked("multiclass"),
            "names no classes; give them in the artifact's order",
        ),
        ("silent", "multiclass", Asked(classes=tuple(CLASSES)), "gives 1 scores a pair, not one of each of 3 classes"),
        ("silent", "regression", Asked("regression", tuple(CLASSES)), "classes do not go with kind: regression"),
        ("silent", "regression", Asked(dev=Path("d.tsv")), "a threshold is chosen on it, which regression has none of"),
        ("silent", "regression", Asked("binary"), "row 3: the label '2.0' is none of 0, 1"),
        ("of_classes", "regression", Asked(), "tells 3 classes apart; one score a pair is measured here"),
    ],
)
def test_what_does_not_go_together(
    name: str, task: Task, asked: Asked, said: str, rows: Callable, request: pytest.FixtureRequest
) -> None:
    with pytest.raises(InputError, match=said):
        evaluate_artifact(request.getfixturevalue(name), rows(task, 0)[0], asked=asked)


def test_an_unknown_task_is_refused(silent: Path, rows: Callable) -> None:
    refused = decant("eval", silent, "--pairs", rows("regression", 0)[0], "--task", "ranking")
    assert refused.code == 2
    assert "--task ranking: choose regression, binary or multiclass" in refused.err


def test_scores_that_are_not_finite_are_no_figures(tmp_path: Path) -> None:
    with pytest.raises(GateError, match="the scores of 1 of 2 pairs are not finite"):
        checked_scores(tmp_path, np.array([0, np.nan], np.float32), 0)
