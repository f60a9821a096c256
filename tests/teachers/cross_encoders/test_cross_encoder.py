from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from sentence_transformers import CrossEncoder as Reference

from decant.errors import InputError
from teachers.cross_encoders.cross_encoder import CrossEncoder, stated_activation
from tests.tiny_models import BACKBONES, tiny_backbone_folder

PAIRS = [
    ("a man is playing a guitar", "the girl rides a horse"),
    ("", "two dogs run"),
    ("two dogs run in the park", ""),
    ("word " * 100, "other " * 100),
    ("a", "b"),
]
TYPED = {"bert", "electra"}  # families whose tokenizers hand out token types


def backbone(folder: Path, kind: str) -> Path:
    """A backbone folder whose tokenizer states the inputs that its family has."""
    target = tiny_backbone_folder(folder, kind)
    path = target / "tokenizer_config.json"
    names = ["input_ids", "token_type_ids", "attention_mask"] if kind in TYPED else ["input_ids", "attention_mask"]
    path.write_text(json.dumps(json.loads(path.read_text()) | {"model_input_names": names}))
    return target


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return backbone(tmp_path_factory.mktemp("backbone"), "bert")


@pytest.fixture(scope="module")
def trained(bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    CrossEncoder.from_backbone(bert, 1, max_length=60).save(folder)
    return folder


@pytest.mark.parametrize("kind", BACKBONES)
def test_saved_and_loaded_scores_are_equal(kind: str, tmp_path: Path) -> None:
    model = CrossEncoder.from_backbone(backbone(tmp_path, kind), 1, max_length=60)
    assert model.uses_types == (kind in TYPED)
    scores = model.score(PAIRS)
    assert scores.shape == (len(PAIRS),)
    assert scores.dtype == np.float32
    assert scores.std() > 1e-3, "a random model tells pairs apart"
    model.save(tmp_path / "saved")
    loaded = CrossEncoder.load(tmp_path / "saved", outputs=(1,))
    assert (loaded.max_length, loaded.uses_types) == (60, model.uses_types)
    np.testing.assert_allclose(loaded.score(PAIRS), scores, atol=1e-5)
    for other in (model.score(PAIRS[::-1])[::-1], model.score(PAIRS, batch_size=1), model.score(PAIRS, batch_size=2)):
        np.testing.assert_allclose(other, scores, atol=1e-5)


@pytest.mark.parametrize(
    ("kind", "outputs"), [("bert", 1), ("bert", 3), ("roberta", 1), ("distilbert", 2), ("deberta-v2", 1)]
)
def test_sentence_transformers_gives_equal_logits(kind: str, outputs: int, tmp_path: Path) -> None:
    model = CrossEncoder.from_backbone(backbone(tmp_path, kind), outputs, max_length=60)
    model.save(tmp_path / "saved")
    reference = Reference(str(tmp_path / "saved"), device="cpu", local_files_only=True)
    expected = reference.predict(PAIRS, batch_size=2)
    np.testing.assert_allclose(model.score(PAIRS), expected, atol=1e-4)


def test_classes_have_a_column_each(bert: Path) -> None:
    model = CrossEncoder.from_backbone(bert, 3)
    assert model.score(PAIRS).shape == (len(PAIRS), 3)
    assert model.score([]).shape == (0, 3)
    assert CrossEncoder.from_backbone(bert, 1).score([]).shape == (0,)


def test_order_inside_a_pair_matters(trained: Path) -> None:
    model = CrossEncoder.load(trained, (1,))
    swapped = model.score([(second, first) for first, second in PAIRS])
    assert np.abs(swapped - model.score(PAIRS)).max() > 1e-3


def test_untrained_head_is_refused(bert: Path) -> None:
    with pytest.raises(InputError, match="is a bare encoder without a scoring head; let the recipe fine-tune it"):
        CrossEncoder.load(bert, (1,))


def test_other_number_of_outputs_is_refused(trained: Path) -> None:
    with pytest.raises(InputError, match="gives 1 scores a pair, but the task needs 2 or 3"):
        CrossEncoder.load(trained, (2, 3))


@pytest.mark.parametrize("max_length", [0, 3, 129])
def test_max_length_outside_what_the_model_takes(bert: Path, trained: Path, max_length: int) -> None:
    with pytest.raises(InputError, match=rf"max_length {max_length} is outside 4\.\.128"):
        CrossEncoder.from_backbone(bert, 1, max_length)
    with pytest.raises(InputError, match=rf"max_length {max_length} is outside 4\.\.60"):
        CrossEncoder.load(trained, (1,), max_length)


def test_long_pairs_are_cut_and_the_short_text_stays(trained: Path) -> None:
    model = CrossEncoder.load(trained, (1,), max_length=10)
    [ids], types = model.tokenize([("dog cat", "river " * 50)])
    assert len(ids) == 10
    assert model.tokenizer.convert_ids_to_tokens(ids)[:4] == ["[CLS]", "dog", "cat", "[SEP]"]
    assert types == [[0] * 4 + [1] * 6]


def test_new_head_is_decided_by_the_seed(bert: Path) -> None:
    first, again, other = (CrossEncoder.from_backbone(bert, 1, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(first.score(PAIRS), again.score(PAIRS))
    assert not np.array_equal(first.score(PAIRS), other.score(PAIRS))


def test_scoring_keeps_the_mode_and_counts_progress(bert: Path) -> None:
    model = CrossEncoder.from_backbone(bert, 1, dropout=0.5).train()
    finished: list[int] = []
    first = model.score(PAIRS, batch_size=2, progress=lambda done, note="": finished.append(done))
    assert finished == [2, 2, 1]
    assert model.model.training
    assert np.array_equal(first, model.score(PAIRS, batch_size=2)), "without dropout"
    assert not any(torch.is_inference(weight) for weight in model.parameters())


@pytest.mark.parametrize(
    ("config", "activation"),
    [
        ({}, "identity"),
        ({"sentence_transformers": {"activation_fn": "torch.nn.modules.activation.Sigmoid"}}, "sigmoid"),
        ({"sentence_transformers": {"activation_fn": "torch.nn.modules.linear.Identity"}}, "identity"),
        ({"sbert_ce_default_activation_function": "torch.nn.modules.activation.Sigmoid"}, "sigmoid"),
        ({"sbert_ce_default_activation_function": "torch.nn.modules.linear.Identity"}, "identity"),
    ],
)
def test_stated_activation(tmp_path: Path, config: dict[str, object], activation: str) -> None:
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert stated_activation(tmp_path) == activation


def test_saved_folder_states_raw_logits(trained: Path) -> None:
    assert stated_activation(trained) == "identity"
