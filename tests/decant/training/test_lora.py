"""Adapters, held to their definition and to full fine-tuning's promises: resuming, and a plain checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file
from sentence_transformers import CrossEncoder as Reference
from transformers import GPT2Config, GPT2Model

from decant.errors import InputError
from decant.models.encoder import SentenceEncoder
from decant.models.quantized import Quantize, in_head, quantized_kind
from decant.training import checkpoint_callback
from decant.training.lora import LoraSettings, add_lora, merge_lora
from decant.training.training import Training
from students.distill.distill_settings import TuneSettings
from students.distill.tune import tune
from teachers.cross_encoders.cross_encoder import CrossEncoder
from teachers.cross_encoders.fine_tune import FineTuneSettings, PairData, fine_tune
from tests.bnb_extra import needs_bitsandbytes, needs_peft
from tests.teachers.cross_encoders.test_fine_tune import assert_same_weights, examples, run, settings
from tests.tiny_models import tiny_backbone_folder, tiny_tokenizer

PAIRS = [("a man plays", "a dog runs"), ("", "the girl eats"), ("word " * 40, "a house in the park")]
WAYS = [None, pytest.param("nf4", marks=needs_bitsandbytes), pytest.param("int8", marks=needs_bitsandbytes)]
LORA = LoraSettings(rank=3, alpha=6, dropout=0.1)


@pytest.fixture(scope="module")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    wide = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2}
    return tiny_backbone_folder(tmp_path_factory.mktemp("backbone"), "bert", **wide)


def adapted(backbone: Path, quantize: Quantize | None) -> CrossEncoder:
    model = CrossEncoder.from_backbone(backbone, 1, max_length=32, dropout=0.0, seed=1, quantize=quantize)
    add_lora(model.model, LORA, seed=4)
    return model.eval()


def randomise(model: CrossEncoder) -> None:
    """Give every adapter something to say."""
    generator = torch.Generator().manual_seed(0)
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            weight.data = 0.1 * torch.randn(weight.shape, generator=generator)


@needs_peft
@pytest.mark.parametrize("quantize", WAYS)
def test_only_adapters_and_head_are_trained_and_change_nothing_at_first(
    quantize: Quantize | None, backbone: Path
) -> None:
    plain = CrossEncoder.from_backbone(backbone, 1, max_length=32, dropout=0.0, seed=1, quantize=quantize)
    model = adapted(backbone, quantize)
    np.testing.assert_allclose(model.score(PAIRS), plain.score(PAIRS), atol=1e-5)
    trained = {name: weight.numel() for name, weight in model.named_parameters() if weight.requires_grad}
    adapters = {name: size for name, size in trained.items() if "lora_" in name}
    # four of 64 to 64, one up to 128 and one down again, in each of two layers
    assert sum(adapters.values()) == 2 * LORA.rank * (4 * (64 + 64) + 2 * (64 + 128))
    heads = {name for name, _ in model.named_parameters() if in_head(name)}
    assert trained.keys() - adapters.keys() == heads
    assert {"model.classifier.weight", "model.bert.pooler.dense.weight"} <= heads


@needs_peft
def test_merged_weights_by_hand(backbone: Path) -> None:
    model = adapted(backbone, None)
    randomise(model)
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    expected = model.score(PAIRS)
    model.model = merge_lora(model.model)
    key = "model.bert.encoder.layer.1.intermediate.dense"
    a, b = (before[f"{key}.lora_{part}.default.weight"] for part in "AB")
    weights = before[f"{key}.base_layer.weight"] + 6 / 3 * b @ a
    torch.testing.assert_close(model.state_dict()[f"{key}.weight"], weights)
    np.testing.assert_allclose(model.score(PAIRS), expected, atol=1e-5)
    assert all(weight.requires_grad for weight in model.parameters())


@needs_peft
@pytest.mark.parametrize("quantize", WAYS)
def test_a_merged_model_is_a_plain_checkpoint(quantize: Quantize | None, backbone: Path, tmp_path: Path) -> None:
    model = adapted(backbone, quantize)
    unadapted = model.score(PAIRS)
    randomise(model)
    expected = model.score(PAIRS)
    model.model = merge_lora(model.model)
    assert quantized_kind(model.model) is None
    model.save(tmp_path / "saved")
    CrossEncoder.from_backbone(backbone, 1).save(tmp_path / "plain")
    tensors, plain = (load_file(tmp_path / name / "model.safetensors") for name in ("saved", "plain"))
    assert {name: (one.dtype, one.shape) for name, one in tensors.items()} == {
        name: (one.dtype, one.shape) for name, one in plain.items()
    }
    found = CrossEncoder.load(tmp_path / "saved", (1,)).score(PAIRS)
    changed = np.abs(expected - unadapted).max()
    np.testing.assert_allclose(found, expected, atol=0.1 * changed if quantize == "int8" else 1e-5)
    reference = Reference(str(tmp_path / "saved"), device="cpu", local_files_only=True)
    np.testing.assert_allclose(reference.predict(PAIRS), found, atol=1e-4)


@needs_peft
@pytest.mark.parametrize("quantize", WAYS)
def test_killed_and_resumed_equals_undisturbed(
    quantize: Quantize | None, backbone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    how: dict[str, Any] = {"lora": LORA, "quantize": quantize}
    undisturbed = run(backbone, tmp_path / "undisturbed", **how)
    assert len(set(undisturbed.metrics)) == 3
    monkeypatch.setattr(checkpoint_callback, "CHECKPOINT_SECONDS", 0.0)
    killed = run(backbone, tmp_path / "killed", kill_after=8, **how)
    held = torch.load(tmp_path / "killed" / checkpoint_callback.LAST, weights_only=True)["state_dict"]
    assert {name for name in held if "lora_" not in name and not in_head(name)} == set()
    assert len(held) == 2 * 6 * 2 + 4
    assert set(load_file(tmp_path / "killed" / checkpoint_callback.BEST)) == set(held)
    assert len(killed.weights) > len(held)
    resumed = run(backbone, tmp_path / "killed", **how)
    assert resumed.begun_at == 8
    assert_same_weights(resumed, undisturbed)
    assert resumed.metrics == undisturbed.metrics[1:]


@needs_peft
@pytest.mark.parametrize("quantize", WAYS)
def test_learns_a_separable_task(quantize: Quantize | None, backbone: Path, tmp_path: Path) -> None:
    pairs, labels = examples(128, seed=3)
    dev_pairs, dev_labels = examples(40, seed=4)
    teacher = CrossEncoder.from_backbone(backbone, 1, max_length=32, dropout=0.0, quantize=quantize)
    frozen = teacher.model.get_input_embeddings().weight.clone()
    chosen = settings(epochs=8, batch_size=8, learning_rate=5e-3, lora=LoraSettings(dropout=0.0), quantize=quantize)

    def accuracy(logits: np.ndarray) -> float:
        return float(((logits > 0.5) == dev_labels).mean())

    data = PairData(pairs, labels, "regression", dev_pairs, accuracy)
    fine_tune(teacher, data, Training(tmp_path, chosen, 0))
    assert accuracy(teacher.score(dev_pairs)) > 0.8, "from chance, over frozen random embeddings"
    assert torch.equal(teacher.model.get_input_embeddings().weight, frozen)
    assert quantized_kind(teacher.model) is None


@needs_peft
@pytest.mark.parametrize("quantize", WAYS)
def test_an_embedding_teacher_is_tuned_by_adapters(quantize: Quantize | None, backbone: Path, tmp_path: Path) -> None:
    pairs, labels = examples(64, seed=3)
    how = TuneSettings(
        epochs=4, learning_rate=1e-2, batch_size=8, precision="32-true", max_length=32, lora=LORA, quantize=quantize
    )
    seen: list[float] = []

    def metric(cosines: np.ndarray) -> float:
        seen.append(float(np.corrcoef(cosines, labels)[0, 1]))
        return seen[-1]

    tuned = tune(backbone, PairData(pairs, labels, "regression", pairs, metric), Training(tmp_path, how, 0))
    before = SentenceEncoder.load(backbone, 32, quantize=quantize)
    first, second = (before.encode([pair[side] for pair in pairs]) for side in (0, 1))
    start = float(np.corrcoef(np.einsum("td,td->t", first, second), labels)[0, 1])
    assert max(seen) > start + 0.1
    assert quantized_kind(tuned.backbone) is None
    assert [name for name, _ in tuned.named_parameters() if "lora" in name] == []


@pytest.mark.parametrize("kind", [FineTuneSettings, TuneSettings])
def test_quantized_weights_need_adapters(kind: type[FineTuneSettings | TuneSettings]) -> None:
    with pytest.raises(ValidationError, match="quantized weights cannot be trained themselves; give lora too"):
        kind(quantize="nf4")


@needs_peft
def test_a_family_without_linear_layers_is_refused() -> None:
    config = GPT2Config(vocab_size=len(tiny_tokenizer()), n_positions=32, n_embd=16, n_layer=1, n_head=2)
    with pytest.raises(InputError, match="lora: a 'gpt2' model has no linear layers to adapt; leave lora out"):
        add_lora(GPT2Model(config), LORA, seed=0)


def test_absent_peft_is_named(backbone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = CrossEncoder.from_backbone(backbone, 1).model
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"lora needs peft and accelerate, which is not installed: pip install 'dec"):
        add_lora(model, LORA, seed=0)
