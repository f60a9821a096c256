"""Every kind of task on real graphs of tiny random models, held to scikit-learn on the same scores."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, average_precision_score, f1_score, ndcg_score

from decant.errors import GateError, InputError
from decant.progress import unwatched
from export.serve.session import OnnxEncoder
from pipeline.measure.artifact_scores import pair_logits
from pipeline.registry.judge import measure_today
from pipeline.registry.promote import promote
from pipeline.registry.registry import Registry
from pipeline.registry.settings import PromotionSettings
from pipeline.suite.evaluate_suite import evaluate_suite
from tests.suite_data import write_suite
from tests.tiny_artifacts import exported_artifact
from tests.tiny_models import WORDS
from tests.tiny_runs import CLASSES, decant, pairs, write_tsv

SPEED = {"rounds": 1, "throughput_rounds": 1, "warmup": 0, "pause_ms": 0, "texts": 4, "threads": 1}
THRESHOLD = 0.01


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("artifacts")
    return {
        "binary": exported_artifact(root / "binary", 1, threshold=THRESHOLD),
        "other": exported_artifact(root / "other", 1, seed=1),
        "classes": exported_artifact(root / "classes", 3),
        "cosine": exported_artifact(root / "cosine"),
    }


def logits(artifact: Path, rows: list[tuple[str, str, str]]) -> np.ndarray:
    return pair_logits(OnnxEncoder(artifact, 1), artifact, [row[:2] for row in rows], 1)


def settings(**values: object) -> PromotionSettings:
    return PromotionSettings.model_validate({"resamples": 200, "speed": SPEED} | values)


@pytest.fixture
def binary(tmp_path: Path) -> tuple[list[tuple[str, str, str]], np.ndarray, Path]:
    rows = pairs("binary", 40, 3)
    labels = np.array([int(row[2]) for row in rows])
    return rows, labels, write_tsv(tmp_path / "today.tsv", rows)


def test_the_threshold_of_a_binary_task_is_chosen_on_dev(artifacts: dict[str, Path], binary, tmp_path: Path) -> None:
    rows, labels, today_tsv = binary
    dev = pairs("binary", 30, 4)
    asked = settings(task="binary", dev=str(write_tsv(tmp_path / "dev.tsv", dev)))
    today = measure_today(artifacts["binary"], artifacts["other"], today_tsv, asked)
    f1s = []
    for name in ("binary", "other"):
        on_dev, truth = logits(artifacts[name], dev), np.array([int(row[2]) for row in dev])
        best = max(f1_score(truth, on_dev >= cut) for cut in on_dev)
        scores = logits(artifacts[name], rows)
        f1s.append({f1_score(labels, scores >= cut) for cut in on_dev if f1_score(truth, on_dev >= cut) == best})
    assert today.metric == "f1"
    assert (today.pairs, today.pairs_file) == (40, "today.tsv")
    assert any(today.candidate.accuracy == pytest.approx(found) for found in f1s[0])
    assert today.deployed is not None
    assert any(today.deployed.accuracy == pytest.approx(found) for found in f1s[1])


@pytest.mark.parametrize("metric", ["f1", "accuracy", "average_precision"])
def test_without_dev_the_threshold_is_the_one_that_the_artifact_states(
    artifacts: dict[str, Path], binary, metric: str
) -> None:
    rows, labels, today_tsv = binary
    scores = logits(artifacts["binary"], rows)
    expected = {
        "f1": f1_score(labels, scores >= THRESHOLD), "accuracy": accuracy_score(labels, scores >= THRESHOLD),
        "average_precision": average_precision_score(labels, scores),
    }  # fmt: skip
    today = measure_today(artifacts["binary"], None, today_tsv, settings(task="binary", metric=metric))
    assert today.metric == metric
    assert today.candidate.accuracy == pytest.approx(expected[metric])
    assert today.candidate.ci95[0] < today.candidate.accuracy < today.candidate.ci95[1]
    with pytest.raises(InputError, match=r"other: decant\.json states no threshold of a binary task"):
        measure_today(artifacts["other"], None, today_tsv, settings(task="binary"))


def test_classes_are_counted_by_their_names(artifacts: dict[str, Path], tmp_path: Path) -> None:
    rows = pairs("multiclass", 40, 3)
    labels = [CLASSES.index(row[2]) for row in rows]
    today_tsv = write_tsv(tmp_path / "today.tsv", rows)
    asked = settings(task="multiclass", classes=CLASSES, metric="macro_f1")
    today = measure_today(artifacts["classes"], artifacts["classes"], today_tsv, asked)
    predicted = logits(artifacts["classes"], rows).argmax(axis=1)
    assert today.candidate.accuracy == pytest.approx(f1_score(labels, predicted, average="macro"))
    assert (today.difference, today.difference_low, today.difference_high) == (0, 0, 0)
    with pytest.raises(InputError, match="cosine gives 1 scores a pair, not one of each of 3 classes"):
        measure_today(artifacts["cosine"], None, today_tsv, asked)
    with pytest.raises(InputError, match="classes tells 3 classes apart"):
        measure_today(artifacts["classes"], None, write_tsv(tmp_path / "b.tsv", pairs("binary", 9, 1)), settings())
    quoted = write_tsv(tmp_path / "quoted.tsv", [(f'"{first}"', second, label) for first, second, label in rows])
    with pytest.raises(InputError, match=r"quoted\.tsv, row 1: whole cells stand in quotes"):
        measure_today(artifacts["classes"], None, quoted, asked)
    same = measure_today(artifacts["classes"], None, quoted, asked.model_copy(update={"quoting": "csv"}))
    assert same.candidate.accuracy == today.candidate.accuracy
    wrong = write_tsv(tmp_path / "wrong.tsv", [*rows[:2], (*rows[2][:2], "far")])
    with pytest.raises(InputError, match="row 3: the label 'far' is none of apart, near, same"):
        measure_today(artifacts["classes"], None, wrong, asked)


def beir(folder: Path) -> tuple[list[str], list[str], np.ndarray]:
    """Nine queries, thirty documents, and the grades of each, [queries, documents]; written in BEIR's layout."""
    generator = np.random.default_rng(0)
    texts = [" ".join(generator.choice(WORDS, size=5)) for _ in range(39)]
    grades = generator.integers(0, 9, size=(9, 30)) // 7 + generator.integers(0, 9, size=(9, 30)) // 8
    (folder / "qrels").mkdir(parents=True)
    for name, some in (("queries", texts[:9]), ("corpus", texts[9:])):
        lines = [json.dumps({"_id": str(index), "text": text}) for index, text in enumerate(some)]
        (folder / f"{name}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    judged = [(str(q), str(d), str(grades[q, d])) for q in range(9) for d in range(30)]
    write_tsv(folder / "qrels" / "test.tsv", judged, header=("query-id", "corpus-id", "score"))
    return texts[:9], texts[9:], grades


def test_retrieval_is_ndcg_over_queries(artifacts: dict[str, Path], tmp_path: Path) -> None:
    queries, documents, grades = beir(tmp_path / "beir")
    today = measure_today(artifacts["cosine"], artifacts["cosine"], tmp_path / "beir", settings(task="retrieval"))
    served = OnnxEncoder(artifacts["cosine"], 1)
    products = served.encode(queries) @ served.encode(documents).T
    assert today.candidate.accuracy == pytest.approx(ndcg_score(grades, products, k=10))
    assert (today.metric, today.pairs, today.difference) == ("ndcg", 9, 0)
    with pytest.raises(InputError, match="binary compares by a comparator; retrieval is judged by"):
        measure_today(artifacts["binary"], None, tmp_path / "beir", settings(task="retrieval"))


def test_a_set_of_a_suite_is_measured_on_by_its_name(artifacts: dict[str, Path], tmp_path: Path) -> None:
    suite, _ = write_suite(tmp_path)
    (own,) = evaluate_suite([str(artifacts["cosine"])], suite, unwatched, threads=1, resamples=200).rows.values()
    counted = {"found": "queries", "folds": "examples", "alike": "pairs"}
    for name, what in counted.items():
        today = measure_today(artifacts["cosine"], artifacts["cosine"], suite, settings(set=name))
        assert today.candidate.accuracy == pytest.approx(own[name].value)
        assert today.candidate.ci95 == pytest.approx(own[name].ci95)
        assert (today.metric, today.pairs, today.difference) == (own[name].metric, own[name].examples, 0)
        assert (today.pairs_file, today.counted) == (f"suite.yaml: {name}", what)
    with pytest.raises(InputError, match="set gone: .*suite.yaml has none of this name; there is alike, same,"):
        measure_today(artifacts["cosine"], None, suite, settings(set="gone"))
    with pytest.raises(InputError, match="compares by a comparator; a named set is judged by its vectors"):
        measure_today(artifacts["binary"], None, suite, settings(set="found"))


def test_a_worse_candidate_is_refused_by_the_tasks_own_metric(artifacts: dict[str, Path], tmp_path: Path) -> None:
    rows = pairs("multiclass", 60, 5)
    right = logits(artifacts["classes"], rows).argmax(axis=1)  # so the deployed is never wrong
    today_tsv = write_tsv(
        tmp_path / "today.tsv", [(*row[:2], CLASSES[index]) for row, index in zip(rows, right, strict=True)]
    )
    assert len(set(right.tolist())) > 1
    asked = settings(task="multiclass", classes=CLASSES, pairs=str(today_tsv))
    registry = str(tmp_path / "registry")
    promote(artifacts["classes"], registry, asked, measure_today, lambda text: None)
    worse = exported_artifact(tmp_path / "worse", 3, seed=5)
    with pytest.raises(GateError, match=r"Accuracy \d+\.\d\d against the deployed 100\.00 on 60 pairs, difference -"):
        promote(worse, registry, asked, measure_today, lambda text: None)
    assert [event.event for event in Registry.at(registry).history()] == ["promoted", "refused"]


def test_the_command_takes_the_task_of_the_recipe(artifacts: dict[str, Path], binary, tmp_path: Path) -> None:
    _, _, today_tsv = binary
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(
        "texts: {task: {kind: binary}}\n"
        "promotion: {pairs: today.tsv, resamples: 100, speed: {rounds: 1, threads: 1}}\n",
        encoding="utf-8",
    )
    said = decant("promote", artifacts["binary"], "--to", tmp_path / "registry", "--recipe", recipe, "--json")
    assert said.code == 0, said.err
    assert said.json()["release"]["today"]["metric"] == "f1"
    assert said.json()["release"]["today"]["pairs_file"] == today_tsv.name
    refused = decant(
        "promote", artifacts["binary"], "--to", tmp_path / "registry", "--recipe", recipe, "--metric", "ndcg"
    )
    assert refused.code == 2
    assert "metric: ndcg does not go with binary; f1 or accuracy or average_precision" in refused.err
