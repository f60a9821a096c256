"""What a model's folder says, from the recipe's check to the artifact: prompts, poolings, lengths, similarity."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from sentence_transformers import SentenceTransformer

from decant.errors import GateError
from export.serve.session import OnnxEncoder
from pipeline.preflight.preflight import preflight_errors
from pipeline.preflight.same_vectors import check_same_vectors
from pipeline.recipe.recipe import load_recipe
from pipeline.stages.texts import TEXTS
from pipeline.stages.vectors import VECTORS
from tests.made_stages import made_by
from tests.model_zoo import KINDS, REFUSED, Refused
from tests.model_zoo.followed import ALONE
from tests.tiny_runs import SPEED, Said, decant, pairs, write_project

pytestmark = pytest.mark.smoke
LEARNING = {"epochs": 1, "batch_size": 16, "precision": "32-true", "learning_rate": 1.0e-3}
PROMPTED = {"first_prompt": "query", "second_prompt": "document"}


def model(name: str, folder: Path) -> Path:
    """A tiny model of the zoo."""
    if not folder.exists():
        next(one for one in [*KINDS, *REFUSED] if one.name == name).build(folder)
    return folder


def recipe_of(folder: Path, teacher: str, start: str, **changes: Any) -> dict[str, Any]:
    """Vectors of an embedding teacher into a student, then labelled pairs."""
    sections: dict[str, Any] = {
        "name": "words",
        "texts": {
            "task": {"kind": "regression", "low": 0, "high": 5}, "train": "train.tsv", "dev": "dev.tsv",
            "test": "test.tsv",
        },
        "embedding": {
            "teachers": [{"model": str(model(teacher, folder / "teacher"))}], "sentences": ["sentences.txt"],
            **LEARNING,
        },
        "student": {"model": str(model(start, folder / "start")), "nesting": {"kind": "grid"}, **LEARNING},
        "export": {"precisions": ["fp32"], "cuts": [[1, 16]], "parity": {"texts": 40}},
        "measure": {"resamples": 100, "peers": True, "speed": SPEED},
    }  # fmt: skip
    for section, change in changes.items():
        own = sections.get(section, {})
        sections[section] = own | change if isinstance(own, dict) else change
    return sections


def run(folder: Path, recipe: dict[str, Any]) -> Said:
    return decant("run", write_project(folder, recipe), "--out", folder / "run")


def report(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "run" / "report" / "report.json").read_text(encoding="utf-8"))
    return content


def spearman_of(row: dict[str, Any]) -> float:
    return float(row["metrics"]["words/test"]["spearman"])


def labelled() -> tuple[list[str], list[str], list[float]]:
    rows = pairs("regression", 24, 2)  # as write_project makes test.tsv
    return [row[0] for row in rows], [row[1] for row in rows], [float(row[2]) for row in rows]


@pytest.fixture(scope="module")
def prompted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run in which an e5-like teacher and a student of its own prompts read queries and passages."""
    folder = tmp_path_factory.mktemp("prompted")
    recipe = recipe_of(folder, "e5", "bert", texts={"columns": PROMPTED})
    recipe["embedding"]["sentences"] = [{"path": "sentences.txt", "prompt": "document"}]
    recipe["student"] |= {"prompts": {"query": "ask: ", "document": "say: "}}
    said = run(folder, recipe)
    assert said.code == 0, said.err
    return folder


def test_the_teachers_row_is_that_of_its_prompts(prompted: Path) -> None:
    first, second, labels = labelled()
    peer = SentenceTransformer(str(prompted / "teacher"), device="cpu", local_files_only=True)
    sides = [peer.encode(first, prompt_name="query"), peer.encode(second, prompt_name="document")]
    cosines = np.sum(sides[0] * sides[1], axis=1)
    plain = np.sum(peer.encode(first) * peer.encode(second), axis=1)
    rows = {row["name"]: row for row in report(prompted)["rows"]}
    assert spearman_of(rows["teacher"]) == pytest.approx(spearmanr(cosines, labels).statistic, abs=1e-6)
    assert spearmanr(cosines, labels).statistic != pytest.approx(spearmanr(plain, labels).statistic, abs=1e-6)


def test_targets_are_the_teachers_vectors_behind_their_prompts(prompted: Path) -> None:
    made = made_by(load_recipe(prompted / "recipe.yaml"), prompted, TEXTS, VECTORS)
    texts, vector_targets = made.texts, made.vector_targets
    assert vector_targets is not None
    assert vector_targets.stage.reused
    peer = SentenceTransformer(str(prompted / "teacher"), device="cpu", local_files_only=True)
    some = [pair[0] for pair in texts.train.pairs[:5]]
    found = vector_targets.side_vectors(some, "query").take(np.arange(5))
    np.testing.assert_allclose(found, peer.encode(some, prompt_name="query"), atol=2e-3)
    given = vector_targets.texts[:5]
    expected = peer.encode(given, prompt_name="document")
    np.testing.assert_allclose(vector_targets.vectors(given).take(np.arange(5)), expected, atol=2e-3)


def test_the_artifact_states_the_students_prompts_and_uses_them(prompted: Path) -> None:
    artifact = next((prompted / "run" / "artifacts").glob("L1xD16-fp32"))
    manifest = json.loads((artifact / "decant.json").read_text(encoding="utf-8"))
    assert (manifest["prompts"], manifest["default_prompt"]) == ({"query": "ask: ", "document": "say: "}, None)
    first, second, labels = labelled()
    peer = SentenceTransformer(str(artifact), device="cpu", local_files_only=True)
    assert peer.prompts["query"] == "ask: "
    sides = [peer.encode(first, prompt_name="query"), peer.encode(second, prompt_name="document")]
    expected = spearmanr(np.sum(sides[0] * sides[1], axis=1), labels).statistic
    rows = {row["name"]: row for row in report(prompted)["rows"]}
    assert spearman_of(rows["L1xD16-fp32"]) == pytest.approx(expected, abs=1e-6)
    card = (artifact / "README.md").read_text(encoding="utf-8")
    assert '- `query`: "ask: "' in card
    assert 'prompt = "ask: "  # query' in card

    lines = "\n".join(first).encode()
    for given in (("--prompt", "query"), ("--prompt-text", "ask: ")):
        said = decant("encode", artifact, "--format", "jsonl", *given, stdin=lines)
        vectors = np.array([json.loads(line) for line in said.text.splitlines()])
        np.testing.assert_allclose(vectors, sides[0], atol=1e-5)
    pair_file = prompted / "test.tsv"
    options = ["--first-prompt", "query", "--second-prompt", "document", "--json"]
    assert decant("eval", artifact, "--pairs", pair_file, *options).json()["spearman"] == pytest.approx(expected)
    said = decant("encode", artifact, "--prompt", "qery", "--format", "jsonl", stdin=lines)
    assert (said.code, said.lines) == (
        2, ["decant: prompt 'qery': there is none of this name; there are query, document"],
    )  # fmt: skip
    said = decant("encode", artifact, "--prompt", "query", "--prompt-text", "q", "--format", "jsonl", stdin=lines)
    assert (said.code, said.lines) == (2, ["decant: --prompt and --prompt-text: give one of them"])


def test_a_model_that_is_right_is_said_to_be(prompted: Path) -> None:
    held = json.loads((prompted / "run" / "same_vectors.json").read_text(encoding="utf-8"))
    assert [cosine > 0.9999 for cosine in held.values()] == [True]


def test_a_model_that_is_read_otherwise_stops_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = model("dense-tanh", tmp_path / "model")
    texts = ["a man plays the guitar", "two dogs"]
    assert check_same_vectors(folder, texts) > 0.9999
    without_tanh = lambda self, vectors: self[0].linear(vectors) if len(self) else vectors
    monkeypatch.setattr("decant.models.encoder.Tail.forward", without_tanh)
    with pytest.raises(
        GateError, match=r"has cosine -?0\.\d+ to that of sentence-transformers, and 0\.9999 is the least"
    ):
        check_same_vectors(folder, texts)
    with pytest.raises(GateError, match="the modules behind the transformer differ: mean pooling and 1 parts here"):
        check_same_vectors(folder, texts)


def test_a_dense_teacher_and_a_start_of_last_tokens(tmp_path: Path) -> None:
    recipe = recipe_of(tmp_path, "labse", "qwen3-embedding", student={"prompts": "none", "max_length": 16})
    recipe["texts"].pop("train"), recipe["texts"].pop("dev")
    said = run(tmp_path, recipe)
    assert said.code == 0, said.err
    assert "student.max_length: 16 tokens stand in place of" in said.err
    assert "student.prompts: none, in place of those of" in said.err
    notes = report(tmp_path)["notes"]
    assert any("student.max_length: 16 tokens" in note for note in notes)
    rows = {row["name"]: row for row in report(tmp_path)["rows"]}
    first, second, labels = labelled()
    for name, folder in (("teacher", tmp_path / "teacher"), ("start model", tmp_path / "start")):
        peer = SentenceTransformer(
            str(folder), device="cpu", local_files_only=True, model_kwargs={"dtype": torch.float32}
        )
        cosines = peer.similarity_pairwise(peer.encode(first), peer.encode(second)).numpy()
        assert spearman_of(rows[name]) == pytest.approx(spearmanr(cosines, labels).statistic, abs=0.02)
    artifact = tmp_path / "run" / "artifacts" / "L1xD16-fp32"
    manifest = json.loads((artifact / "decant.json").read_text(encoding="utf-8"))
    assert (manifest["pooling"], manifest["prompts"], manifest["max_length"]) == ("lasttoken", {}, 16)
    peer = SentenceTransformer(str(artifact), device="cpu", local_files_only=True)
    np.testing.assert_allclose(OnnxEncoder(artifact).encode(first), peer.encode(first, batch_size=1), atol=1e-5)


@pytest.mark.parametrize("kind", ["similarity-dot", "similarity-euclidean", "similarity-manhattan"])
def test_a_model_is_measured_by_its_own_similarity(kind: str, tmp_path: Path) -> None:
    recipe = recipe_of(tmp_path, kind, kind)
    del recipe["embedding"], recipe["texts"]["train"], recipe["texts"]["dev"]
    recipe["student"] = {"model": recipe["student"]["model"], "trained": True}
    recipe["export"].pop("cuts")
    said = run(tmp_path, recipe)
    assert said.code == 0, said.err
    first, second, labels = labelled()
    peer = SentenceTransformer(str(tmp_path / "start"), device="cpu", local_files_only=True)
    assert peer.similarity_fn_name == kind.removeprefix("similarity-")
    own = peer.similarity_pairwise(peer.encode(first), peer.encode(second)).numpy()
    rows = {row["name"]: row for row in report(tmp_path)["rows"]}
    assert spearman_of(rows["teacher"]) == pytest.approx(spearmanr(own, labels).statistic, abs=1e-6)
    assert spearman_of(rows["start model in sentence-transformers"]) == pytest.approx(spearman_of(rows["teacher"]))
    assert any(f"compares its vectors by {peer.similarity_fn_name}" in note for note in report(tmp_path)["notes"])
    config = next((tmp_path / "run" / "artifacts").glob("*/config_sentence_transformers.json"))
    assert json.loads(config.read_text(encoding="utf-8"))["similarity_fn_name"] == "cosine"


@pytest.mark.parametrize(
    ("teacher", "student", "changes", "message"),
    [
        (
            "e5",
            "bert",
            {"texts": {"columns": {"first_prompt": "question"}}},
            r"prompt 'question': there is none of",
        ),
        (
            "bert",
            "e5",
            {"texts": {"columns": {"first_prompt": "STS"}}, "student": {"prompts": "none"}},
            r"teachers.0.model: prompt 'STS': there",
        ),
        ("bert", "instructor", {}, r"student.model: the pooling of .* leaves the prompt's tokens out"),
        ("bert", "router", {}, "student.model: .* has 2 roads for its texts"),
        ("bert", "albert", {}, "student.model: .* no student can start from a 'albert' model"),
        ("bert", "static", {}, "student.model: .* is a table of token vectors"),
        ("router-without-default", "bert", {}, "has a road for each kind of text and no default one; name one of"),
        ("bert", "labse", {"export": {"cuts": [[1, 999]]}}, r"export.cuts: \[1, 999\] is beyond the student's"),
    ],
)
def test_what_cannot_be_done_is_told_before_the_run(
    teacher: str, student: str, changes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    recipe = load_recipe(write_project(tmp_path, recipe_of(tmp_path, teacher, student, **changes)))
    errors = preflight_errors(recipe, tmp_path)
    assert len(errors) == 1, errors
    assert re.search(message, errors[0]), errors[0]


@pytest.mark.parametrize("kind", [pytest.param(one, id=one.name) for one in REFUSED if one.name not in ALONE])
def test_validate_refuses_each_in_one_line(kind: Refused, tmp_path: Path) -> None:
    said = decant("validate", write_project(tmp_path, recipe_of(tmp_path, kind.name, "bert")))
    assert said.code == 2
    assert len(said.lines) == 1, said.err
    assert "embedding.teachers.0.model: " in said.err


@pytest.mark.parametrize("teacher", ["static-normalize", "router", "include-prompt-false-bert-mean"])
def test_teachers_of_other_shapes(teacher: str, tmp_path: Path) -> None:
    recipe = recipe_of(tmp_path, teacher, "bert")
    recipe["texts"].pop("train"), recipe["texts"].pop("dev")
    if teacher == "router":
        recipe["texts"]["columns"] = PROMPTED
        recipe["embedding"]["sentences"] = [{"path": "sentences.txt", "prompt": "query"}]
    said = run(tmp_path, recipe)
    assert said.code == 0, said.err
    first, second, labels = labelled()
    peer = SentenceTransformer(str(tmp_path / "teacher"), device="cpu", local_files_only=True)
    ask, answer = (peer.encode_query, peer.encode_document) if teacher == "router" else (peer.encode, peer.encode)
    cosines = [
        float(np.dot(one, other) / np.linalg.norm(one) / np.linalg.norm(other))
        for one, other in zip((ask([text])[0] for text in first), (answer([text])[0] for text in second), strict=True)
    ]
    rows = {row["name"]: row for row in report(tmp_path)["rows"]}
    assert spearman_of(rows["teacher"]) == pytest.approx(spearmanr(cosines, labels).statistic, abs=5e-3)  # near ties
