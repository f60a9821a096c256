"""Cross-encoders of every kind give the scores that sentence-transformers gives for the same folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import expit
from torch import nn
from transformers import AutoTokenizer, GPT2Config, GPT2ForSequenceClassification

from decant.errors import InputError
from teachers.cross_encoders.cross_check import check_cross_encoder
from teachers.cross_encoders.cross_encoder import CrossEncoder, Pair
from teachers.cross_encoders.cross_reading import SCORED, Classes
from tests.teachers.cross_encoders.cross_folders import (
    DECODERS,
    FAMILIES,
    OTHERS,
    classifier,
    classifier_folder,
    classifier_tokenizer,
    edit_json,
    forty_pairs,
    reference,
)
from tests.tiny_models import tiny_backbone_folder

PAIRS = forty_pairs()
NAMED = {"id2label": {"0": "c", "1": "a", "2": "b"}, "label2id": {"c": 0, "a": 1, "b": 2}}


def raw_scores(folder: Path, pairs: list[Pair] = PAIRS, batch_size: int = 7, **options: Any) -> NDArray[np.float32]:
    """sentence-transformers' raw logits."""
    found: NDArray[np.float32] = reference(folder, **options).predict(
        pairs, activation_fn=nn.Identity(), batch_size=batch_size
    )
    return found


def held_to_reference(folder: Path, outputs: int, again: Path) -> CrossEncoder:
    """Load a folder, and hold its scores, and those of the folder that it is saved to, to sentence-transformers'."""
    check_cross_encoder(folder, (outputs,))
    model = CrossEncoder.load(folder, (outputs,))
    scores = model.score(PAIRS, batch_size=8)
    assert scores.std(axis=0).min() > 1e-3, "a random model tells pairs apart"
    np.testing.assert_allclose(scores, raw_scores(folder), atol=1e-4)
    model.save(again)
    np.testing.assert_allclose(raw_scores(again), scores, atol=1e-4)
    np.testing.assert_allclose(CrossEncoder.load(again, (outputs,)).score(PAIRS), scores, atol=1e-4)
    return model


# two outputs are read as three are, so that one family of them is enough to wait for
@pytest.mark.parametrize(
    ("kind", "labels"),
    [
        pytest.param(kind, labels, marks=pytest.mark.slow if labels == 2 and kind != "bert" else ())
        for kind in FAMILIES
        for labels in (1, 2, 3)
    ],
)
def test_every_family(kind: str, labels: int, tmp_path: Path) -> None:
    plain = classifier_folder(tmp_path / "plain", kind, labels, max_length=60)
    own = reference(plain, activation_fn=nn.Sigmoid() if labels == 1 else None)
    own.save_pretrained(str(tmp_path / "own"))
    held_to_reference(plain, labels, tmp_path / "plain again")
    model = held_to_reference(tmp_path / "own", labels, tmp_path / "own again")
    assert model.activation == ("sigmoid" if labels == 1 else "identity")
    default = reference(tmp_path / "own").predict(PAIRS)
    np.testing.assert_allclose(reference(tmp_path / "own again").predict(PAIRS), default, atol=1e-5)
    if labels == 1:
        np.testing.assert_allclose(expit(model.score(PAIRS)), default, atol=1e-5)


@pytest.mark.parametrize("kind", OTHERS)
def test_other_families(kind: str, tmp_path: Path) -> None:
    folder = classifier_folder(tmp_path / "model", kind, 3, max_length=60, config=NAMED)
    model = held_to_reference(folder, 3, tmp_path / "again")
    np.testing.assert_allclose(model.score(PAIRS, batch_size=1), model.score(PAIRS), atol=1e-4)
    turned = CrossEncoder.load(folder, (3,), classes=Classes(("a", "b", "c")))
    np.testing.assert_allclose(turned.score(PAIRS), model.score(PAIRS)[:, [1, 2, 0]], atol=1e-4)


def test_every_family_that_is_followed_is_held_to_its_peer() -> None:
    assert set(SCORED) - {"granite"} == {*FAMILIES, *OTHERS}, "transformers has no such head of that one"


@pytest.mark.parametrize("kind", ["roberta", "xlm-roberta"])
def test_positions_start_after_the_padding_token(kind: str, tmp_path: Path) -> None:
    """Of 130 rows, 125 are left where padding has the number 4; one more would be beyond the table."""
    model, tokenizer = classifier(kind, 1, pad_token_id=4), classifier_tokenizer(kind, 10**30)
    tokenizer.pad_token = "[MASK]"
    model.save_pretrained(tmp_path / "model")
    tokenizer.save_pretrained(tmp_path / "model")
    loaded = CrossEncoder.load(tmp_path / "model", (1,))
    assert loaded.max_length == 125
    assert max(map(len, loaded.tokenize(PAIRS)[0])) == 125
    np.testing.assert_allclose(loaded.score(PAIRS), raw_scores(tmp_path / "model", max_length=125), atol=1e-4)
    with pytest.raises(InputError, match=r"max_length 126 is outside 4\.\.125"):
        CrossEncoder.load(tmp_path / "model", (1,), 126)


@pytest.mark.parametrize("kind", DECODERS)
def test_a_decoder_that_pads_on_the_left(kind: str, tmp_path: Path) -> None:
    folder = classifier_folder(tmp_path / "model", kind, 2, max_length=60)
    edit_json(folder / "tokenizer_config.json", {"padding_side": "left"})
    held_to_reference(folder, 2, tmp_path / "again")


def test_truncation_on_the_left(tmp_path: Path) -> None:
    folder = classifier_folder(tmp_path / "model", "bert", 1, max_length=20)
    plain = CrossEncoder.load(folder, (1,)).score(PAIRS)
    edit_json(folder / "tokenizer_config.json", {"truncation_side": "left"})
    assert np.abs(held_to_reference(folder, 1, tmp_path / "again").score(PAIRS) - plain).max() > 1e-3


def test_token_types_of_a_model_that_counts_none(tmp_path: Path) -> None:
    """GPT-2 looks token types up in the table of tokens, and states no number of them."""
    sizes = {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 130, "initializer_range": 0.3, "pad_token_id": 1}
    tokenizer = classifier_tokenizer("llama", 60)
    GPT2ForSequenceClassification(GPT2Config(vocab_size=len(tokenizer) + 8, num_labels=2, **sizes)).save_pretrained(
        tmp_path / "model"
    )
    for names in (["input_ids", "attention_mask"], ["input_ids", "token_type_ids", "attention_mask"]):
        tokenizer.model_input_names = names
        tokenizer.save_pretrained(tmp_path / "model")
        edit_json(tmp_path / "model" / "tokenizer_config.json", {"model_input_names": names})
        assert held_to_reference(tmp_path / "model", 2, tmp_path / "again").uses_types == (len(names) == 3)


@pytest.mark.parametrize("kind", ["bert", "roberta", "qwen2"])
def test_a_prompt_stands_before_the_first_text(kind: str, tmp_path: Path) -> None:
    plain = classifier_folder(tmp_path / "plain", kind, 1, max_length=60)
    own = reference(plain, prompts={"query": "find: ", "other": "no"}, default_prompt_name="query")
    own.save_pretrained(str(tmp_path / "own"))
    model = held_to_reference(tmp_path / "own", 1, tmp_path / "again")
    assert model.prompt == "find: "
    assert np.abs(model.score(PAIRS) - CrossEncoder.load(plain, (1,)).score(PAIRS)).max() > 1e-3
    edit_json(tmp_path / "own" / "config_sentence_transformers.json", {"default_prompt_name": None})
    assert held_to_reference(tmp_path / "own", 1, tmp_path / "third").prompt == "", "none applies unless it is named"


@pytest.mark.parametrize("kind", ["roberta", "modernbert", "bert"])
def test_lower_case_of_the_folder(kind: str, tmp_path: Path) -> None:
    plain = classifier_folder(tmp_path / "plain", kind, 1, max_length=60)
    reference(plain).save_pretrained(str(tmp_path / "own"))
    edit_json(tmp_path / "own" / "sentence_bert_config.json", {"do_lower_case": True})
    model = held_to_reference(tmp_path / "own", 1, tmp_path / "again")
    loud, quiet = model.score([("A Man", "THE DOG")]), model.score([("a man", "the dog")])
    np.testing.assert_array_equal(loud, quiet)


def test_the_length_that_its_own_file_states(tmp_path: Path) -> None:
    reference(classifier_folder(tmp_path / "plain", max_length=60)).save_pretrained(str(tmp_path / "own"))
    edit_json(tmp_path / "own" / "sentence_bert_config.json", {"max_seq_length": 24})
    assert held_to_reference(tmp_path / "own", 1, tmp_path / "again").max_length == 24
    edit_json(tmp_path / "own" / "sentence_bert_config.json", {"max_seq_length": 100})
    assert held_to_reference(tmp_path / "own", 1, tmp_path / "third").max_length == 100
    # without modules.json, sentence-transformers reads no file of its own
    edit_json(tmp_path / "plain" / "sentence_bert_config.json", {"max_seq_length": 24, "do_lower_case": True})
    assert held_to_reference(tmp_path / "plain", 1, tmp_path / "fourth").max_length == 60


@pytest.mark.parametrize(
    ("config", "activation"),
    [
        (
            {"sentence_transformers": {"activation_fn": "torch.nn.modules.activation.Sigmoid", "version": "5.1.0"}},
            expit,
        ),
        ({"sentence_transformers": {"activation_fn": "torch.nn.modules.linear.Identity", "version": "4.0.0"}}, None),
        ({"sbert_ce_default_activation_function": "torch.nn.modules.activation.Sigmoid"}, expit),
        ({"sbert_ce_default_activation_function": "torch.nn.modules.linear.Identity"}, None),
    ],
)
def test_layouts_of_before_version_6(config: dict[str, Any], activation: Any, tmp_path: Path) -> None:
    folder = classifier_folder(tmp_path / "model", "bert", 1, config=config, max_length=60)
    model = held_to_reference(folder, 1, tmp_path / "again")
    scores = model.score(PAIRS)
    on_scale = scores if activation is None else activation(scores)
    np.testing.assert_allclose(reference(folder).predict(PAIRS), on_scale, atol=1e-5)
    np.testing.assert_allclose(reference(tmp_path / "again").predict(PAIRS), on_scale, atol=1e-5)


@pytest.mark.parametrize("name", ["Softmax", "LogSoftmax"])
def test_a_softmax_of_classes_leaves_raw_scores(name: str, tmp_path: Path) -> None:
    config = {"sentence_transformers": {"activation_fn": f"torch.nn.modules.activation.{name}"}}
    held_to_reference(classifier_folder(tmp_path / "model", "bert", 3, config=config), 3, tmp_path / "again")


def test_a_chat_template_is_not_passed_over(tmp_path: Path) -> None:
    """sentence-transformers renders pairs by it, unless its own file says that the model reads plain texts."""
    folder = classifier_folder(tmp_path / "model", "qwen2", 1, max_length=60)
    reference(folder).save_pretrained(str(tmp_path / "own"))
    template = "{% for message in messages %}{{ message['role'] }}: {{ message['content'] }} {% endfor %}"
    for place in (folder, tmp_path / "own"):
        tokenizer = AutoTokenizer.from_pretrained(place)
        tokenizer.chat_template = template
        tokenizer.save_pretrained(place)
    plain = raw_scores(tmp_path / "own")
    assert np.abs(raw_scores(folder) - plain).max() > 1e-3
    with pytest.raises(InputError, match="its tokenizer has a chat template, by which sentence-transformers renders"):
        CrossEncoder.load(folder, (1,))
    held_to_reference(tmp_path / "own", 1, tmp_path / "again")


@pytest.mark.parametrize("kind", DECODERS)
def test_two_empty_texts_of_a_decoder_have_nothing_to_read(kind: str, tmp_path: Path) -> None:
    folder = classifier_folder(tmp_path / "model", kind, 1)
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer | {"post_processor": None}))
    model = CrossEncoder.load(folder, (1,))
    assert model.score([("", "a")]).shape == (1,)
    with pytest.raises(InputError, match="pair 1 of 2 has no token for this cross-encoder to read: both of its texts"):
        model.score([("a", ""), ("", "")])


@pytest.mark.parametrize("kind", DECODERS)
def test_a_decoder_that_is_fine_tuned_learns_where_its_pairs_end(kind: str, tmp_path: Path) -> None:
    """A bare decoder states no padding token of its own, and its new head needs one."""
    classifier(kind, 1, pad_token_id=None).base_model.save_pretrained(tmp_path / "body")
    classifier_tokenizer(kind, 60).save_pretrained(tmp_path / "body")
    model = CrossEncoder.from_backbone(tmp_path / "body", 1, 60)
    model.save(tmp_path / "saved")
    held_to_reference(tmp_path / "saved", 1, tmp_path / "again")


def test_a_body_of_an_encoder_is_as_before(tmp_path: Path) -> None:
    model = CrossEncoder.from_backbone(tiny_backbone_folder(tmp_path, "bert"), 2, 60, classes=("no", "yes"))
    model.save(tmp_path / "saved")
    config = json.loads((tmp_path / "saved" / "config.json").read_text())
    assert config["id2label"] == {"0": "no", "1": "yes"}
    assert config["label2id"] == {"no": 0, "yes": 1}
    held_to_reference(tmp_path / "saved", 2, tmp_path / "again")
