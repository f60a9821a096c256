"""What a student learns from a teacher's logits, by hand."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from decant.errors import InputError
from pipeline.recipe.recipe import Recipe
from pipeline.stages import targets as stage
from pipeline.stages.targets import fast_score, student_targets
from pipeline.texts.load import Split, Texts
from teachers.cross_encoders.cross_encoder import CrossEncoder
from tests.tiny_runs import Models, Task, tiny_recipe

EMPTY = Split([], np.zeros(0, np.float32))


def targets(
    folder: Path, models: Models, task: Task, logits: Any, *, form: str = "comparator", labels: Any = (0, 1),
    load: bool = True, config: dict[str, Any] | None = None,
) -> list[Any]:  # fmt: skip
    recipe = tiny_recipe(models, task, load=load)
    recipe["student"] |= {"form": form, "pooling": "mean"}
    (folder / "config.json").write_text(json.dumps(config or {}))
    train = Split([("a", "b")] * len(labels), np.array(labels, np.float32))
    texts = Texts(train, EMPTY, EMPTY, EMPTY, None)
    found = student_targets(Recipe.model_validate(recipe), np.array(logits, np.float32), texts, folder)
    assert found.dtype == np.float32
    return found.tolist()


def test_classes_keep_their_logits(models: Models, tmp_path: Path) -> None:
    logits = [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]
    assert targets(tmp_path, models, "multiclass", logits) == logits


def test_two_logits_of_a_binary_teacher_become_their_difference(models: Models, tmp_path: Path) -> None:
    assert targets(tmp_path, models, "binary", [[1.0, 3.0], [2.0, -1.0]]) == [[2.0], [-3.0]]
    assert targets(tmp_path, models, "binary", [[1.5], [-2.0]]) == [[1.5], [-2.0]]


def test_a_cosine_of_two_classes_learns_the_probability(models: Models, tmp_path: Path) -> None:
    found = targets(tmp_path, models, "binary", [[0.0, 0.0], [0.0, np.log(3)]], form="cosine")
    assert np.ravel(found) == pytest.approx([0.5, 0.75])


@pytest.mark.parametrize(
    "config",
    [
        {"sentence_transformers": {"activation_fn": "torch.nn.modules.activation.Sigmoid"}},
        {"sbert_ce_default_activation_function": "torch.nn.modules.activation.Sigmoid"},
    ],
)
def test_a_stated_sigmoid_is_applied(config: dict[str, Any], models: Models, tmp_path: Path) -> None:
    found = targets(tmp_path, models, "regression", [[0.0], [np.log(3)], [-800.0]], form="cosine", config=config)
    assert np.ravel(found) == pytest.approx([0.5, 0.75, 0])


def test_a_loaded_teacher_on_another_scale_is_fitted_to_the_labels(models: Models, tmp_path: Path) -> None:
    # labels are (logit + 2) / 10; the last pair has no label and lies on the same line
    found = targets(tmp_path, models, "regression", [[-2.0], [3.0], [8.0], [5.0]], labels=(0, 0.5, 1), form="cosine")
    assert np.ravel(found) == pytest.approx([0, 0.5, 1, 0.7])


def test_a_fine_tuned_teacher_is_on_the_labels_scale(models: Models, tmp_path: Path) -> None:
    found = targets(tmp_path, models, "regression", [[0.25], [0.5]], load=False, form="cosine")
    assert np.ravel(found) == pytest.approx([0.25, 0.5])


class WrongScores:
    """A graph that gives other scores than the model that it was made from."""

    def __init__(self, *arguments: object) -> None:
        pass

    def score(self, given: list[Any], progress: object = None) -> Any:
        return np.zeros(len(given), np.float32)


def refuses(*arguments: object) -> None:
    raise InputError("this kind cannot be exported")


@pytest.mark.parametrize(
    ("name", "replacement"), [("export_cross_encoder", refuses), ("OnnxCrossEncoder", WrongScores), ("PROBES", [])]
)
def test_torch_scores_what_onnxruntime_cannot(
    name: str, replacement: Any, models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stage, name, replacement)
    model = CrossEncoder.load(models.teachers[1], (1,))
    score = fast_score(model, stage.EXPORT_PAIRS, tmp_path, threads=1)
    given = [("a cat", "the dog"), ("", "big water")]
    np.testing.assert_allclose(score(given, lambda done: None), model.score(given), atol=1e-5)
    assert ("by_torch" in score.__qualname__) == (name != "PROBES")
    assert not list(tmp_path.iterdir())
