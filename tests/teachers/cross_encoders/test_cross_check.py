"""What of a cross-encoder is refused before its weights are read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file
from transformers import (
    AutoModelForSequenceClassification,
    BartConfig,
    ConvBertConfig,
    FNetConfig,
    GPT2Config,
    PretrainedConfig,
    PreTrainedModel,
    T5Config,
)

from decant.errors import InputError
from teachers.cross_encoders.cross_check import check_cross_encoder, check_fine_tunable, own_length
from teachers.cross_encoders.cross_encoder import CrossEncoder
from teachers.cross_encoders.cross_reading import Classes
from tests.teachers.cross_encoders.cross_folders import FAMILIES, classifier_folder, classifier_tokenizer, edit_json
from tests.tiny_models import tiny_backbone_folder

NAMES = ("no", "perhaps", "yes")
NAMED = {"id2label": {"0": "yes", "1": "no", "2": "perhaps"}, "label2id": {"yes": 0, "no": 1, "perhaps": 2}}
SMALL = {"d_model": 32, "encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 4, "encoder_ffn_dim": 64}
SMALL |= {"decoder_attention_heads": 4, "decoder_ffn_dim": 64}
HIDDEN = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 4, "intermediate_size": 64}


@pytest.fixture
def no_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing may read a weight."""

    def refuse(*arguments: object, **named: object) -> None:
        raise AssertionError("weights were read")

    monkeypatch.setattr(PreTrainedModel, "from_pretrained", refuse)


def model_folder(folder: Path, config: PretrainedConfig) -> Path:
    tokenizer = classifier_tokenizer("llama", 60)
    config.vocab_size, config.num_labels = len(tokenizer) + 8, 3
    AutoModelForSequenceClassification.from_config(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return edit_json(folder / "config.json", NAMED).parent


@pytest.mark.parametrize("kind", FAMILIES)
@pytest.mark.usefixtures("no_weights")
def test_what_can_be_loaded_is_let_through(kind: str, tmp_path: Path) -> None:
    folder = classifier_folder(tmp_path / "model", kind, 3, config=NAMED, max_length=60)
    check_cross_encoder(folder, (3,), 60, Classes(NAMES))
    check_fine_tunable(folder, 3, 60)
    assert own_length(folder) == 60


def without_head(folder: Path) -> Path:
    weights = load_file(folder / "model.safetensors")
    weights.pop("classifier.weight")
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    return folder


def without_tokenizer(folder: Path) -> Path:
    for path in folder.glob("tokenizer*"):
        path.unlink()
    return folder


def bert(folder: Path, **config: Any) -> Path:
    return classifier_folder(folder, "bert", 3, config=NAMED | config)


def decoder(folder: Path, tokenizer: dict[str, Any] | None = None, kind: str = "qwen2", **config: Any) -> Path:
    classifier_folder(folder, kind, 3, config=NAMED | config)
    return edit_json(folder / "tokenizer_config.json", tokenizer or {}).parent


GPT2 = {"n_embd": 32, "n_layer": 1, "n_head": 4, "n_positions": 60, "pad_token_id": 1}
LEFT = {"padding_side": "left"}
REFUSED: dict[str, tuple[Callable[[Path], Path], str]] = {
    "bare encoder": (lambda folder: tiny_backbone_folder(folder, "bert"), "is a bare encoder without a scoring head"),
    "two outputs": (lambda folder: classifier_folder(folder, "bert", 2), "gives 2 scores a pair, but the task needs 3"),
    "no names": (lambda folder: classifier_folder(folder, "bert", 3), "does not name its classes"),
    "other names": (
        lambda folder: bert(folder, id2label=dict(enumerate("abc")), label2id={}),
        "names its classes a, b, c",
    ),
    "contradiction": (lambda folder: bert(folder, label2id={"no": 0, "yes": 1, "perhaps": 2}), "but label2id calls it"),
    "many of them": (
        lambda folder: bert(folder, problem_type="multi_label_classification"),
        "do not exclude each other",
    ),
    "no head": (
        lambda folder: without_head(bert(folder)),
        "1 weights of the model are not in its file, such as 'classifier",
    ),
    "no tokenizer": (lambda folder: without_tokenizer(bert(folder)), "holds no tokenizer"),
    "gptq": (
        lambda folder: bert(folder, quantization_config={"quant_method": "gptq"}),
        "its weights are quantized as gptq",
    ),
    "left": (
        lambda folder: edit_json(bert(folder) / "tokenizer_config.json", LEFT).parent,
        "its tokenizer pads on the left",
    ),
    "no padding": (lambda folder: decoder(folder, {"pad_token": None}, "llama"), "its tokenizer has no padding token"),
    "other padding": (
        lambda folder: decoder(folder, pad_token_id=3),
        r"by pad_token_id 3 of config\.json, but its tokeni",
    ),
    "no pad id": (
        lambda folder: decoder(folder, pad_token_id=None),
        r"by pad_token_id None of config\.json, but its tok",
    ),
    "left and positions": (
        lambda folder: edit_json(model_folder(folder, GPT2Config(**GPT2)) / "tokenizer_config.json", LEFT).parent,
        "its tokenizer pads on the left, where the padding moves what this model reads",
    ),
    "bart": (
        lambda folder: model_folder(folder, BartConfig(pad_token_id=1, **SMALL)),
        "'bart' model is an encoder and a dec",
    ),
    "t5": (
        lambda folder: model_folder(folder, T5Config(d_model=32, num_layers=1, num_heads=4, d_kv=8, d_ff=64)),
        "'t5' model is an encoder and a decoder; give one that is either",
    ),
    "convbert": (
        lambda folder: model_folder(folder, ConvBertConfig(**HIDDEN)),
        "model type 'convbert' is not among the cross-encoders that",
    ),
    "fnet": (
        lambda folder: model_folder(folder, FNetConfig(**HIDDEN)),
        "model type 'fnet' is not among the cross-encoders",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.usefixtures("no_weights")
def test_refused(case: str, tmp_path: Path) -> None:
    make, said = REFUSED[case]
    folder = make(tmp_path / "model")
    with pytest.raises(InputError, match=said):
        check_cross_encoder(folder, (3,), None, Classes(NAMES))


@pytest.mark.parametrize("case", sorted(REFUSED.keys() - {"gptq"}))
def test_loading_refuses_the_same(case: str, tmp_path: Path) -> None:
    make, said = REFUSED[case]
    folder = make(tmp_path / "model")
    with pytest.raises(InputError, match=said):
        CrossEncoder.load(folder, (3,), classes=Classes(NAMES))


@pytest.mark.usefixtures("no_weights")
def test_length_beyond_the_folders(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"max_length 129 is outside 4\.\.128, what .* can take for a pair"):
        check_cross_encoder(bert(tmp_path / "model"), (3,), 129)


STARTS: dict[str, tuple[Callable[[Path], Path], str]] = {
    "another head": (
        lambda folder: bert(folder),
        "has a trained head of 3 outputs, but the task needs 1; give the encoder",
    ),
    "no tokenizer": (lambda folder: without_tokenizer(bert(folder)), "holds no tokenizer"),
    "nf4": (
        lambda folder: bert(folder, quantization_config={"quant_method": "bitsandbytes", "load_in_8bit": True}),
        "its weights are quantized already, so they cannot be trained",
    ),
    "no padding": (REFUSED["no padding"][0], "its tokenizer has no padding token"),
    "bart": (REFUSED["bart"][0], "'bart' model is an encoder and a decoder"),
    "fnet": (REFUSED["fnet"][0], "model type 'fnet' is not among the cross-encoders"),
}


@pytest.mark.parametrize("case", STARTS)
@pytest.mark.usefixtures("no_weights")
def test_starts_that_are_refused(case: str, tmp_path: Path) -> None:
    make, said = STARTS[case]
    with pytest.raises(InputError, match=said):
        check_fine_tunable(make(tmp_path / "model"), 1 if case == "another head" else 3)


@pytest.mark.parametrize("case", ["no tokenizer", "no padding"])
def test_fine_tuning_refuses_the_same(case: str, tmp_path: Path) -> None:
    make, said = STARTS[case]
    with pytest.raises(InputError, match=said):
        CrossEncoder.from_backbone(make(tmp_path / "model"), 3)
