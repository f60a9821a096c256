"""A loaded cross-encoder whose outputs stand in another order than the recipe's classes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from scipy.special import expit
from sklearn.metrics import accuracy_score, average_precision_score

from export.serve.rerank_session import OnnxReranker
from pipeline.measure.classification import one_score
from pipeline.recipe.recipe import Recipe, load_recipe
from pipeline.recipe.teacher_notes import teacher_notes
from pipeline.report.rows import read_report_json
from pipeline.run_dir import Finished
from pipeline.stages.dev_metric import on_own_scale
from pipeline.stages.measured_models import RERANKER, SERVED_RERANKER, TEACHER
from pipeline.stages.targets import TARGETS, PairTargets, student_targets
from pipeline.stages.teacher import TEACHER as TEACHER_STAGE
from pipeline.stages.teacher import run_teacher
from pipeline.stages.texts import TEXTS
from pipeline.texts.load import Texts
from teachers.cross_encoders.cross_encoder import CrossEncoder, Pair
from tests.made_stages import made_by
from tests.teachers.cross_encoders.cross_folders import classifier_folder, edit_json, reference
from tests.tiny_runs import CLASSES, Models, decant, pairs, reranker_block, tiny_recipe, write_tsv

OTHER_ORDER = ["same", "apart", "near"]  # of the model's outputs; the recipe's is apart, near, same
SIZES = {"train": 60, "dev": 24, "test": 24}


@dataclass(frozen=True)
class Case:
    """A project whose labels are what its teacher says, by the names of its classes."""

    folder: Path
    teacher: Path
    content: dict[str, Any]

    def recipe(self, *overrides: str) -> Recipe:
        return load_recipe(self.folder / "recipe.yaml", overrides)

    def texts(self, name: str) -> list[tuple[str, str, str]]:
        lines = (self.folder / f"{name}.tsv").read_text(encoding="utf-8").splitlines()[1:]
        return [(first, second, label) for first, second, label in (line.split("\t") for line in lines)]

    def stages(self, *overrides: str) -> tuple[Recipe, Texts, Finished, PairTargets]:
        """The run up to the targets."""
        recipe = self.recipe(*overrides)
        made = made_by(recipe, self.folder, TEXTS, TEACHER_STAGE, TARGETS)
        assert made.teacher is not None
        assert made.pair_targets is not None
        return recipe, made.texts, made.teacher, made.pair_targets


def given_scores(teacher: Path, given: Sequence[Pair]) -> NDArray[np.float32]:
    """sentence-transformers' scores, in the order of the folder's own outputs."""
    found: NDArray[np.float32] = reference(teacher).predict(list(given))
    return found


def balance(teacher: Path, some: Sequence[Pair]) -> None:
    """Shift a teacher's outputs so that none of its classes is the greatest of all pairs."""
    weights = load_file(teacher / "model.safetensors")
    weights["classifier.bias"] -= torch.from_numpy(given_scores(teacher, some).mean(axis=0))
    save_file(weights, teacher / "model.safetensors", {"format": "pt"})


def case(folder: Path, models: Models, names: Sequence[str], task: dict[str, Any], **config: Any) -> Case:
    """A teacher that names its outputs so, and pairs that are labelled with the name of its greatest."""
    named = {"id2label": dict(enumerate(names)), "label2id": {name: number for number, name in enumerate(names)}}
    teacher = classifier_folder(folder / "teacher", "bert", len(names), seed=3, max_length=64, config=named)
    balance(teacher, [(first, second) for first, second, _ in pairs("regression", 40, 9)])
    for seed, (name, count) in enumerate(SIZES.items()):
        texts = [(first, second) for first, second, _ in pairs("regression", count, seed)]
        chosen = given_scores(teacher, texts).argmax(axis=1)
        write_tsv(folder / f"{name}.tsv", [(*pair, names[number]) for pair, number in zip(texts, chosen, strict=True)])
    edit_json(teacher / "config.json", config)
    content = tiny_recipe(models, "multiclass")
    content["texts"]["task"], content["teacher"] = task, {"kind": "load", "model": str(teacher)}
    (folder / "recipe.yaml").write_text(json.dumps(content), encoding="utf-8")
    return Case(folder, teacher, content)


@pytest.fixture(scope="module")
def three(models: Models, tmp_path_factory: pytest.TempPathFactory) -> Case:
    """Three classes in another order."""
    task = {"kind": "multiclass", "classes": CLASSES}
    return case(tmp_path_factory.mktemp("three"), models, OTHER_ORDER, task)


@pytest.mark.smoke
def test_a_run_takes_the_classes_by_their_names(three: Case) -> None:
    content = three.content | {"reranker": reranker_block()}
    content["export"] = content["export"] | {"precisions": ["fp32"]}
    (three.folder / "whole.yaml").write_text(json.dumps(content), encoding="utf-8")
    run = three.folder / "whole"
    done = decant("run", three.folder / "whole.yaml", "--out", run)
    assert done.code == 0, done.err
    rows = {row.name: row for row in read_report_json(run / "report" / "report.json").rows}
    test = three.texts("test")
    chosen = given_scores(three.teacher, [pair[:2] for pair in test]).argmax(axis=1)
    labels = [label for *_, label in test]
    assert len(set(labels)) > 1, "more than one class is told apart"
    assert accuracy_score(labels, [OTHER_ORDER[number] for number in chosen]) == 1.0
    assert rows[TEACHER].metrics["tiny-multiclass/test"].accuracy == 1.0
    said = "teacher.model: its outputs are put in the order of texts.task.classes, from same, apart, near."
    assert said in done.err
    assert said in (run / "report" / "report.md").read_text(encoding="utf-8")
    artifact = run / "artifacts" / "reranker"
    for folder in (run / "teacher", run / "reranker", artifact):
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        assert config["id2label"] == {"0": "apart", "1": "near", "2": "same"}
    card = (artifact / "README.md").read_text(encoding="utf-8")
    assert "Its scores stand for apart, near, same, in this order." in card
    assert 'print(logits)  # a column a class: ["apart", "near", "same"]' in card
    served = OnnxReranker(artifact)
    assert served.classes == ("apart", "near", "same")
    found = [served.classes[number] for number in served.score([pair[:2] for pair in test]).argmax(axis=1)]
    for name in (RERANKER, SERVED_RERANKER):
        assert rows[name].metrics["tiny-multiclass/test"].accuracy == pytest.approx(accuracy_score(labels, found))


def test_the_student_is_taught_the_classes_by_their_names(three: Case) -> None:
    recipe, texts, teacher, scored = three.stages()
    expected = given_scores(three.teacher, texts.train.pairs)[:, [1, 2, 0]]
    np.testing.assert_allclose(scored.logits, expected, atol=1e-4)
    np.testing.assert_allclose(student_targets(recipe, scored.logits, texts, teacher.folder), expected, atol=1e-4)
    assert accuracy_score(texts.train.labels.astype(int), scored.logits.argmax(axis=1)) == 1.0
    assert reference(teacher.folder).config.id2label == {0: "apart", 1: "near", 2: "same"}


def test_two_outputs_keep_the_sign_of_the_second_class(models: Models, tmp_path: Path) -> None:
    made = case(
        tmp_path, models, ["duplicate", "Not Duplicate"], {"kind": "binary", "classes": ["not_duplicate", "duplicate"]}
    )
    for name in SIZES:  # the files write the recipe's spelling
        rows = [(first, second, label.lower().replace(" ", "_")) for first, second, label in made.texts(name)]
        write_tsv(made.folder / f"{name}.tsv", rows)
    recipe, texts, teacher, scored = made.stages()
    given = given_scores(made.teacher, texts.train.pairs)
    targets = student_targets(recipe, scored.logits, texts, teacher.folder)[:, 0]
    np.testing.assert_allclose(targets, given[:, 0] - given[:, 1], atol=1e-4)
    assert 0 < texts.train.labels.mean() < 1
    scores = one_score(run_teacher(recipe, teacher.folder).score(texts.test.pairs))
    assert average_precision_score(texts.test.labels, scores) == pytest.approx(1.0)
    assert reference(teacher.folder).config.id2label == {0: "not_duplicate", 1: "duplicate"}


def test_unnamed_outputs_are_refused_until_the_recipe_names_them(models: Models, tmp_path: Path) -> None:
    task = {"kind": "multiclass", "classes": CLASSES}
    unnamed = {"id2label": {str(i): f"LABEL_{i}" for i in range(3)}, "label2id": {f"LABEL_{i}": i for i in range(3)}}
    made = case(tmp_path, models, OTHER_ORDER, task, **unnamed)
    refused = decant("validate", tmp_path / "recipe.yaml")
    assert refused.code == 2
    (line,) = refused.lines
    assert "teacher.model: " in line
    assert (
        "does not name its classes (LABEL_0, LABEL_1, LABEL_2), so their order is unknown; give teacher.classes" in line
    )
    said = f"teacher.classes=[{', '.join(OTHER_ORDER)}]"
    assert decant("validate", tmp_path / "recipe.yaml", "--set", said).code == 0
    recipe, texts, teacher, scored = made.stages(said)
    np.testing.assert_allclose(scored.logits, given_scores(made.teacher, texts.train.pairs)[:, [1, 2, 0]], atol=1e-4)
    assert teacher_notes(recipe, tmp_path) == [
        "teacher.classes: same, apart, near are its outputs, which its folder does not name."
    ]
    other = made.stages("teacher.classes=[apart, near, same]")[3]
    np.testing.assert_allclose(other.logits, given_scores(made.teacher, texts.train.pairs), atol=1e-4)


def test_the_recipe_overrides_the_names_of_the_folder(three: Case) -> None:
    overrides = ["teacher.classes=[near, same, apart]", "teacher.max_length=20"]
    recipe, texts, teacher, scored = three.stages(*overrides)
    expected = reference(three.teacher, max_length=20).predict(list(texts.train.pairs))[:, [2, 0, 1]]
    np.testing.assert_allclose(scored.logits, expected, atol=1e-4)
    assert teacher_notes(recipe, three.folder) == [
        "teacher.classes: near, same, apart stand in place of same, apart, near, as its folder says.",
        "teacher.max_length: 20 tokens of a pair stand in place of 64, as its folder says.",
    ]
    agreed = three.recipe("teacher.classes=[same, apart, near]", "teacher.max_length=64")
    assert teacher_notes(agreed, three.folder) == [], "it says what the folder says"


@pytest.mark.parametrize(
    ("override", "said"),
    [
        (
            "teacher.classes=[apart, near]",
            "teacher.classes: apart, near are not the task's apart, near, same, each once",
        ),
        (
            "teacher.classes=[apart, near, near]",
            "teacher.classes: apart, near, near are not the task's apart, near, same",
        ),
        (
            "texts.task={kind: multiclass, classes: [a, b, c]}",
            "names its classes same, apart, near, but those of the reci",
        ),
        ("texts.task={kind: multiclass, classes: [a, b, c, d]}", "gives 3 scores a pair, but the task needs 4"),
        ("texts.task={kind: binary}", "gives 3 scores a pair, but the task needs 1 or 2"),
    ],
)
def test_other_classes_are_refused_before_the_run(override: str, said: str, three: Case) -> None:
    drop = "texts.problems={label: drop, label_range: drop}"  # so that the teacher alone is wrong
    refused = decant("validate", three.folder / "recipe.yaml", "--set", override, "--set", drop)
    assert refused.code == 2
    assert len(refused.lines) == 1
    assert said in refused.err


def test_a_regression_has_no_classes(models: Models, tmp_path: Path) -> None:
    content = tiny_recipe(models)
    content["teacher"]["classes"] = ["0", "1"]
    (tmp_path / "recipe.yaml").write_text(json.dumps(content), encoding="utf-8")
    assert (
        "teacher.classes: a regression has no classes; leave it out" in decant("validate", tmp_path / "recipe.yaml").err
    )


def test_a_stated_sigmoid_reaches_the_student_and_the_report(models: Models, tmp_path: Path) -> None:
    teacher = classifier_folder(tmp_path / "teacher", "bert", 1, seed=3)
    own = tmp_path / "own"
    reference(teacher).save_pretrained(str(own))  # of one output, with a sigmoid
    content = tiny_recipe(models) | {"teacher": {"kind": "load", "model": str(own)}}
    (tmp_path / "recipe.yaml").write_text(json.dumps(content), encoding="utf-8")
    for seed, (name, count) in enumerate(SIZES.items()):
        write_tsv(tmp_path / f"{name}.tsv", pairs("regression", count, seed))
    recipe, texts, done, scored = Case(tmp_path, own, content).stages()
    expected = reference(own).predict(list(texts.train.pairs))
    found = student_targets(recipe, scored.logits, texts, done.folder)[:, 0]
    np.testing.assert_allclose(found, expected, atol=1e-5)
    np.testing.assert_allclose(reference(done.folder).predict(list(texts.train.pairs)), expected, atol=1e-5)
    raw = run_teacher(recipe, done.folder).score(texts.test.pairs)
    np.testing.assert_allclose(on_own_scale(raw, "regression", "sigmoid"), expit(raw), atol=1e-6)
    np.testing.assert_array_equal(on_own_scale(raw, "binary", "sigmoid"), raw)


def test_folders_of_before_there_were_names_are_used_again(
    models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A teacher that was fine-tuned by an earlier version says LABEL_0 of its outputs; they are the recipe's."""
    content = tiny_recipe(models, "multiclass", load=False)
    (tmp_path / "recipe.yaml").write_text(json.dumps(content), encoding="utf-8")
    for seed, (name, count) in enumerate(SIZES.items()):
        write_tsv(tmp_path / f"{name}.tsv", pairs("multiclass", count, seed))
    made = Case(tmp_path, models.encoder, content)
    with monkeypatch.context() as earlier:
        earlier.setattr(CrossEncoder, "name_classes", lambda self, names: None)
        _, _, first, before = made.stages()
    assert json.loads((first.folder / "config.json").read_text())["id2label"]["0"] == "LABEL_0"
    recipe, _, second, after = made.stages()
    assert second.reused
    assert after.stage.reused
    np.testing.assert_array_equal(after.logits, before.logits)
    assert run_teacher(recipe, second.folder).model.config.id2label == {0: "apart", 1: "near", 2: "same"}


@pytest.mark.parametrize("outputs", [1, 2])
def test_what_was_read_rightly_before_is_not_made_again(outputs: int, models: Models, tmp_path: Path) -> None:
    """The mark does not depend on classes that the folder has in the recipe's own order."""
    content = tiny_recipe(models, "binary") | {"teacher": {"kind": "load", "model": str(models.teachers[outputs])}}
    (tmp_path / "recipe.yaml").write_text(json.dumps(content), encoding="utf-8")
    for seed, (name, count) in enumerate(SIZES.items()):
        write_tsv(tmp_path / f"{name}.tsv", pairs("binary", count, seed))
    made = Case(tmp_path, models.teachers[outputs], content)
    before = made.stages()[2].fingerprint
    if outputs == 2:
        assert made.stages("teacher.classes=['0', '1']")[2].reused
        assert made.stages("teacher.classes=['1', '0']")[2].fingerprint != before


BROKEN: dict[str, tuple[dict[str, Any], str]] = {
    "bare encoder": ({"architectures": ["BertModel"]}, "is a bare encoder without a scoring head"),
    "quantized": ({"quantization_config": {"quant_method": "awq"}}, "its weights are quantized as awq"),
    "activation": (
        {"sentence_transformers": {"activation_fn": "torch.nn.modules.activation.Tanh"}},
        "its scores are torch.nn.modules.activation.Tanh of the raw ones",
    ),
    "code": ({"auto_map": {"AutoModel": "mine.Model"}}, "asks for code of its own"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_teacher_that_cannot_be_used_is_refused_before_the_run(what: str, three: Case, tmp_path: Path) -> None:
    changes, said = BROKEN[what]
    for path in three.teacher.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    edit_json(tmp_path / "config.json", changes)
    refused = decant("validate", three.folder / "recipe.yaml", "--set", f"teacher.model={tmp_path}")
    assert refused.code == 2
    (line,) = refused.lines
    assert "teacher.model: " in line
    assert said in line


def test_other_files_of_weights_are_named(three: Case, tmp_path: Path) -> None:
    (tmp_path / "model-q4.gguf").write_bytes(b"GGUF")
    refused = decant("validate", three.folder / "recipe.yaml", "--set", f"teacher.model={tmp_path}")
    assert refused.code == 2
    assert "holds no model but a GGUF file: config.json is missing" in refused.err


def test_a_start_for_fine_tuning_is_checked_too(three: Case) -> None:
    teacher = f"{{kind: fine_tune, model: {three.teacher}}}"
    assert decant("validate", three.folder / "recipe.yaml", "--set", f"teacher={teacher}").code == 2, (
        "64 tokens, not 128"
    )
    for more, code, said in (("classes: [a]", 2, "teacher.classes: no such key"), ("max_length: 64", 0, "")):
        found = decant("validate", three.folder / "recipe.yaml", "--set", f"teacher={teacher[:-1]}, {more}}}")
        assert found.code == code
        assert said in found.err
