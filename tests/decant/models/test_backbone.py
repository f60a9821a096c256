from __future__ import annotations

import json
from pathlib import Path

import pytest
import transformers
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import AutoModel

from decant.errors import InputError
from decant.models.backbone import has_trained_head, load_backbone, load_tokenizer, max_tokens, quiet_transformers
from tests.tiny_models import BACKBONES, tiny_backbone_folder, tiny_tokenizer


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tiny_backbone_folder(tmp_path, "bert", num_hidden_layers=1)


def change(path: Path, **fields: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


@pytest.mark.parametrize("kind", BACKBONES)
def test_dropout_of_every_family_is_set(kind: str, tmp_path: Path) -> None:
    model = load_backbone(tiny_backbone_folder(tmp_path, kind), AutoModel, dropout=0.25)
    rates = {getattr(module, "p", None) for module in model.modules() if isinstance(module, nn.Dropout)}
    assert rates <= {0.25}
    config = {name: value for name, value in vars(model.config).items() if "dropout" in name and value is not None}
    assert {value for value in config.values() if isinstance(value, float)} == {0.25}


def test_missing_weights_of_the_body(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    kept = {name: weight for name, weight in weights.items() if "layer.0.output" not in name}
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
    lost = len(weights) - len(kept)
    with pytest.raises(InputError, match=rf"{lost} weights of the model are not in its file, such as 'encoder"):
        load_backbone(folder, AutoModel)


def test_weights_of_other_shapes(folder: Path) -> None:
    change(folder / "config.json", intermediate_size=48)
    with pytest.raises(InputError, match=r"the model cannot be loaded \(RuntimeError"):
        load_backbone(folder, AutoModel)


def test_unknown_architecture(folder: Path) -> None:
    change(folder / "config.json", model_type="no-such-model")
    with pytest.raises(InputError, match=r"the model cannot be loaded \(ValueError"):
        load_backbone(folder, AutoModel)


def test_damaged_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").write_text("{")
    with pytest.raises(InputError, match="its tokenizer cannot be loaded"):
        load_tokenizer(folder)


def test_tokenizer_without_padding(folder: Path) -> None:
    tokenizer = tiny_tokenizer()
    tokenizer.pad_token = None
    tokenizer.save_pretrained(folder)
    with pytest.raises(InputError, match="its tokenizer has no padding token"):
        load_tokenizer(folder)
    assert load_tokenizer(folder, pads=False).pad_token is None


def test_head_is_known_by_its_architecture(folder: Path) -> None:
    assert not has_trained_head(folder)
    change(folder / "config.json", architectures=["BertForSequenceClassification"])
    assert has_trained_head(folder)
    change(folder / "config.json", architectures=None)
    assert not has_trained_head(folder)


def test_stated_length_holds_for_single_texts_only(folder: Path) -> None:
    (folder / "sentence_bert_config.json").write_text('{"max_seq_length": 20}')
    tokenizer = load_tokenizer(folder)
    assert max_tokens(folder, tokenizer) == 20
    assert max_tokens(folder, tokenizer, single=False) == 128


def test_quiet_and_loud_again() -> None:
    logging = transformers.utils.logging
    before = logging.get_verbosity(), logging.is_progress_bar_enabled()
    with quiet_transformers():
        assert not logging.is_progress_bar_enabled()
    assert (logging.get_verbosity(), logging.is_progress_bar_enabled()) == before
