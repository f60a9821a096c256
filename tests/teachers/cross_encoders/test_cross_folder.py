"""What sentence-transformers' files say of a cross-encoder is followed, or refused by its name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from sentence_transformers import CrossEncoder as Reference
from sentence_transformers.base.modules import Dense, Transformer
from sentence_transformers.cross_encoder.modules.logit_score import LogitScore
from sentence_transformers.sentence_transformer.modules import Pooling
from torch import nn
from transformers import AutoModelForCausalLM, Qwen2Config

from decant.errors import InputError
from teachers.cross_encoders.cross_encoder import CrossEncoder
from teachers.cross_encoders.cross_folder import CrossFolder, read_cross_folder, stated_activation, write_activation
from tests.teachers.cross_encoders.cross_folders import classifier_folder, classifier_tokenizer, edit_json, reference
from tests.tiny_models import tiny_backbone_folder

SETTINGS, READING = "config_sentence_transformers.json", "sentence_bert_config.json"


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A folder of sentence-transformers 6."""
    reference(classifier_folder(tmp_path / "plain")).save_pretrained(str(tmp_path / "own"))
    return tmp_path / "own"


def test_a_folder_of_transformers_says_nothing(tmp_path: Path) -> None:
    assert read_cross_folder(classifier_folder(tmp_path / "plain")) == CrossFolder()


def test_a_folder_of_sentence_transformers(own: Path) -> None:
    edit_json(own / SETTINGS, {"prompts": {"query": "q: "}, "default_prompt_name": "query"})
    edit_json(own / READING, {"max_seq_length": 99, "do_lower_case": True})
    assert read_cross_folder(own) == CrossFolder("sigmoid", "q: ", True, 99, plain_texts=True)
    write_activation(own, "identity")
    assert stated_activation(own) == "identity"
    assert isinstance(reference(own).activation_fn, nn.Identity)


def test_its_own_file_is_stronger_than_the_config(own: Path) -> None:
    edit_json(own / "config.json", {"sbert_ce_default_activation_function": "torch.nn.modules.linear.Identity"})
    assert isinstance(reference(own).activation_fn, nn.Sigmoid)
    assert stated_activation(own) == "sigmoid"
    edit_json(own / SETTINGS, {"activation_fn": None})
    assert isinstance(reference(own).activation_fn, nn.Identity)
    assert stated_activation(own) == "identity"


ACTIVATIONS: list[tuple[str, int]] = [
    ("torch.nn.modules.activation.Tanh", 1),
    ("torch.nn.modules.activation.ReLU", 3),
    ("torch.nn.modules.activation.Softmax", 1),
    ("custom.modules.Sigmoid", 1),
]


@pytest.mark.parametrize(("activation", "labels"), ACTIVATIONS)
@pytest.mark.parametrize("old", [False, True])
def test_other_activations_are_refused_by_name(activation: str, labels: int, old: bool, tmp_path: Path) -> None:
    folder = classifier_folder(tmp_path / "model", "bert", labels)
    if old:
        edit_json(folder / "config.json", {"sentence_transformers": {"activation_fn": activation}})
    else:
        reference(folder).save_pretrained(str(folder))
        edit_json(folder / SETTINGS, {"activation_fn": activation})
    said = (
        rf"its scores are {activation} of the raw ones, which Decant does not follow; Sigmoid, Identity and, of several"
    )
    with pytest.raises(InputError, match=said):
        CrossEncoder.load(folder, (labels,))


@pytest.mark.parametrize(
    ("file", "changes", "said"),
    [
        (READING, {"transformer_task": None}, "transformer_task 'feature-extraction' gives 'scores'; Decant loads"),
        (READING, {"module_output_name": "logits"}, "'sequence-classification' gives 'logits'; Decant loads"),
        (
            READING,
            {"processing_kwargs": {"text": {"max_length": 5}}},
            "processing_kwargs is set, which Decant does not",
        ),
        (
            READING,
            {"processor_kwargs": {"padding_side": "left"}},
            "processor_kwargs is set, which Decant does not follow",
        ),
        (READING, {"model_args": {"attn_implementation": "eager"}}, "model_args is set, which Decant does not follow"),
        (
            READING,
            {"tokenizer_name_or_path": "other"},
            "tokenizer_name_or_path is set, which Decant does not follow",
        ),
        (READING, {"modality_config": {"text": {"method": "forward"}}}, "modality_config reads text; Decant loads"),
        (READING, {"modality_config": ["text"]}, r"modality_config reads \['text'\]; Decant loads"),
        (READING, {"do_lower_case": "yes"}, "do_lower_case 'yes' is neither true nor false"),
        (READING, {"max_seq_length": 0}, "max_seq_length 0 is no number of 1 or more"),
        (SETTINGS, {"default_prompt_name": "query"}, "default_prompt_name 'query' is none of its prompts"),
        (SETTINGS, {"default_prompt_name": "q", "prompts": {"q": 1}}, "prompt 'q' is no text"),
        (SETTINGS, {"model_type": "SparseEncoder"}, "is a SparseEncoder of sentence-transformers, not a CrossEncoder"),
        (SETTINGS, {"model_type": None}, "is a SentenceTransformer of sentence-transformers, not a CrossEncoder"),
    ],
)
def test_statements_that_are_not_followed(file: str, changes: dict[str, Any], said: str, own: Path) -> None:
    edit_json(own / file, changes)
    with pytest.raises(InputError, match=said):
        CrossEncoder.load(own, (1,))


def test_chats_and_a_lost_file_are_refused(own: Path) -> None:
    texts = json.loads((own / READING).read_text())["modality_config"]
    edit_json(own / READING, {"modality_config": texts | {"message": texts["text"]}})
    with pytest.raises(
        InputError, match="modality_config reads text, message, and a pair as a chat; Decant loads cross-en"
    ):
        CrossEncoder.load(own, (1,))
    (own / "modules.json").unlink()
    with pytest.raises(
        InputError, match=r"has a config_sentence_transformers\.json but no modules\.json, without which it"
    ):
        CrossEncoder.load(own, (1,))


def test_other_modules_are_refused_by_name(tmp_path: Path) -> None:
    """A language model whose next word is the score, and a head of sentence-transformers' own."""
    tokenizer = classifier_tokenizer("qwen2")
    sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 4, "num_key_value_heads": 2}
    config = Qwen2Config(vocab_size=len(tokenizer) + 8, intermediate_size=64, pad_token_id=1, **sizes)
    AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path / "words")
    tokenizer.save_pretrained(tmp_path / "words")
    with pytest.raises(InputError, match=r"is a language model \('Qwen2ForCausalLM'\), whose scores would be words"):
        CrossEncoder.load(tmp_path / "words", (1,))
    words = Transformer(str(tmp_path / "words"), transformer_task="text-generation")
    Reference(modules=[words, LogitScore(5, 6)], device="cpu").save_pretrained(str(tmp_path / "scored"))
    with pytest.raises(
        InputError, match="its scores come of Transformer, LogitScore: the words that a language model says"
    ):
        CrossEncoder.load(tmp_path / "scored", (1,))
    body = Transformer(str(tiny_backbone_folder(tmp_path, "bert")))
    head = Dense(32, 1, module_output_name="scores")
    Reference(modules=[body, Pooling(32), head], device="cpu").save_pretrained(str(tmp_path / "headed"))
    with pytest.raises(
        InputError, match="its scores come of Transformer, Pooling, Dense; Decant loads cross-encoders that"
    ):
        CrossEncoder.load(tmp_path / "headed", (1,))


def test_a_module_elsewhere_or_with_arguments_is_refused(own: Path) -> None:
    modules = json.loads((own / "modules.json").read_text())
    for change in ({"path": "0_Transformer"}, {"kwargs": ["task"]}):
        (own / "modules.json").write_text(json.dumps([modules[0] | change]))
        with pytest.raises(
            InputError, match=r"modules\.json: its Transformer has a path or kwargs of its own, which Decant"
        ):
            read_cross_folder(own)
