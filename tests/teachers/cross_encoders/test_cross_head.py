"""Heads whose outputs are put into another order."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from transformers import BertForSequenceClassification

from decant.errors import InputError
from decant.models.quantized import quantized_kind
from teachers.cross_encoders.cross_encoder import CrossEncoder
from teachers.cross_encoders.cross_head import output_layer, reorder_outputs
from teachers.cross_encoders.cross_reading import Classes
from tests.bnb_extra import needs_bitsandbytes
from tests.teachers.cross_encoders.cross_folders import FAMILIES, classifier, classifier_folder, forty_pairs, reference

PAIRS = forty_pairs()
NAMES, WANTED = ("c", "a", "b"), ("a", "b", "c")
ORDER = [1, 2, 0]
NAMED = {"id2label": dict(enumerate(NAMES)), "label2id": {name: number for number, name in enumerate(NAMES)}}


@pytest.mark.parametrize("kind", FAMILIES)
def test_outputs_follow_the_names(kind: str, tmp_path: Path) -> None:
    folder = classifier_folder(tmp_path / "model", kind, 3, config=NAMED, max_length=60)
    given = reference(folder).predict(PAIRS)
    model = CrossEncoder.load(folder, (3,), classes=Classes(WANTED))
    np.testing.assert_allclose(model.score(PAIRS), given[:, ORDER], atol=1e-4)
    model.save(tmp_path / "saved")
    again = reference(tmp_path / "saved")
    np.testing.assert_allclose(again.predict(PAIRS), given[:, ORDER], atol=1e-4)
    assert again.config.id2label == dict(enumerate(WANTED))
    assert again.config.label2id == {"a": 0, "b": 1, "c": 2}
    kept = CrossEncoder.load(folder, (3,))
    np.testing.assert_allclose(kept.score(PAIRS), given, atol=1e-4)
    assert kept.model.config.id2label == dict(enumerate(NAMES))


def test_what_the_recipe_says_of_the_order_is_stronger(tmp_path: Path) -> None:
    folder = classifier_folder(tmp_path / "model", "bert", 3, config=NAMED)
    given = CrossEncoder.load(folder, (3,)).score(PAIRS)
    found = CrossEncoder.load(folder, (3,), classes=Classes(WANTED, stated=("b", "c", "a"))).score(PAIRS)
    np.testing.assert_allclose(found, given[:, [2, 0, 1]], atol=1e-6)


def test_two_outputs_in_the_right_sign(tmp_path: Path) -> None:
    folder = classifier_folder(tmp_path / "model", "roberta", 2, config={"id2label": {"0": "yes", "1": "no"}})
    given = reference(folder).predict(PAIRS)
    found = CrossEncoder.load(folder, (1, 2), classes=Classes(("no", "yes"))).score(PAIRS)
    np.testing.assert_allclose(found[:, 1] - found[:, 0], given[:, 0] - given[:, 1], atol=1e-4)


@pytest.mark.parametrize("name", ["LABEL_0", "irrelevant to it", "relevance"])
def test_one_output_is_that_of_the_second_class(name: str, tmp_path: Path) -> None:
    folder = classifier_folder(tmp_path / "model", "bert", 1, config={"id2label": {"0": name}, "label2id": {name: 0}})
    model = CrossEncoder.load(folder, (1, 2), classes=Classes(("no", "yes")))
    np.testing.assert_allclose(model.score(PAIRS), CrossEncoder.load(folder, (1,)).score(PAIRS), atol=1e-6)
    assert model.model.config.id2label == {0: "yes"}
    with pytest.raises(InputError, match="gives one score a pair, that of the second class; leave teacher.classes out"):
        CrossEncoder.load(folder, (1, 2), classes=Classes(("no", "yes"), ("no", "yes")))


@needs_bitsandbytes
@pytest.mark.parametrize("kind", ["bert", "roberta", "deberta-v2", "qwen2"])
def test_quantized_models_keep_float_heads(kind: str, tmp_path: Path) -> None:
    sizes = {"hidden_size": 64, "intermediate_size": 64} | ({"head_dim": 16} if kind == "qwen2" else {})
    folder = classifier_folder(tmp_path / "model", kind, 3, config=NAMED, **sizes)
    given = CrossEncoder.load(folder, (3,), quantize="nf4").score(PAIRS)
    model = CrossEncoder.load(folder, (3,), quantize="nf4", classes=Classes(WANTED))
    assert quantized_kind(model.model) == "nf4"
    np.testing.assert_allclose(model.score(PAIRS), given[:, ORDER], atol=1e-4)
    model.save(tmp_path / "saved")
    np.testing.assert_allclose(CrossEncoder.load(tmp_path / "saved", (3,)).score(PAIRS), given[:, ORDER], atol=1e-4)


class Scaled(BertForSequenceClassification):
    """Something stands between its last layer and its logits."""

    def forward(self, *arguments: Tensor, **named: Tensor) -> object:
        found = super().forward(*arguments, **named)
        found.logits = found.logits * torch.arange(1, 4)
        return found


def test_a_head_that_is_not_known_is_refused() -> None:
    model = classifier("bert", 3)
    model.classifier = nn.Sequential(nn.Linear(32, 3), nn.Linear(3, 3))
    said = r"a form that Decant does not know \(float linear layers of 3 outputs in it: classifier.0, classifier.1\)"
    with pytest.raises(InputError, match=said):
        output_layer(model)
    model.classifier = nn.Bilinear(32, 32, 3)
    with pytest.raises(InputError, match="layers of 3 outputs in it: none"):
        output_layer(model)


def test_logits_that_are_not_the_last_layers_are_refused() -> None:
    model = classifier("bert", 3)
    model.__class__ = Scaled
    with pytest.raises(InputError, match="the logits of a Scaled are not those of its last layer"):
        reorder_outputs(model, ORDER)
