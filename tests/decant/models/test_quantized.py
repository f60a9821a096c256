"""Quantized loading, held to the definitions of NF4 and LLM.int8() and to the float model."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import GPT2Config, GPT2Model

from decant.errors import InputError
from decant.models.encoder import SentenceEncoder
from decant.models.quantized import Quantize, precision_of, quantized_kind
from pipeline.measure.size import parameter_count
from teachers.cross_encoders.cross_encoder import CrossEncoder
from tests.bnb_extra import needs_bitsandbytes, needs_peft
from tests.tiny_models import BACKBONES, tiny_backbone_folder, tiny_encoder, tiny_tokenizer

TEXTS = ["a man is playing a guitar", "two dogs run in the park", "", "word " * 100, "the girl eats on the street"]
PAIRS = [(TEXTS[0], TEXTS[1]), (TEXTS[2], TEXTS[4]), (TEXTS[3], TEXTS[0])]
KINDS: list[Quantize] = ["nf4", "int8"]
WIDE = {"hidden_size": 64, "intermediate_size": 128}  # nf4 takes blocks of 64 inputs
NF4 = [  # QLoRA, appendix E
    -1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334,
    -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
    0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0,
]  # fmt: skip


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_backbone_folder(tmp_path_factory.mktemp("backbone"), "bert", **WIDE)


@pytest.fixture(scope="module")
def cross(bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cross")
    CrossEncoder.from_backbone(bert, 1, seed=1).save(folder)
    return folder


def floats(model: nn.Module) -> dict[str, Tensor]:
    """A quantized model's linear weights as the floats that they stand for."""
    from bitsandbytes.functional import dequantize_4bit

    found = {}
    for name, module in model.named_modules():
        if type(module).__name__ == "Linear4bit":
            found[f"{name}.weight"] = dequantize_4bit(module.weight.data, module.weight.quant_state)
        elif type(module).__name__ == "Linear8bitLt":
            scales = module.weight.SCB if module.state.SCB is None else module.state.SCB
            found[f"{name}.weight"] = module.weight.data.float() * scales[:, None] / 127
    return found


def cosines(first: NDArray[np.float32], second: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.einsum("td,td->t", first, second)


@needs_bitsandbytes
def test_nf4_weights_are_the_nearest_codes_of_their_block(cross: Path) -> None:
    stored = load_file(cross / "model.safetensors")
    found = floats(CrossEncoder.load(cross, (1,), quantize="nf4").model)
    assert len(found) == 6 * 4, "six matrices in each of four layers"
    codes = torch.tensor(NF4)
    for name, weights in found.items():
        blocks = stored[name].reshape(-1, 64)
        largest = blocks.abs().amax(dim=1, keepdim=True)
        nearest = codes[(blocks[..., None] / largest[..., None] - codes).abs().argmin(dim=-1)]
        # the scales are quantized too, in 8 bits around their mean
        torch.testing.assert_close(weights.reshape(-1, 64), nearest * largest, rtol=0.02, atol=0.001)


@needs_bitsandbytes
def test_int8_weights_are_within_half_a_step_of_their_column(cross: Path) -> None:
    stored = load_file(cross / "model.safetensors")
    found = floats(CrossEncoder.load(cross, (1,), quantize="int8").model)
    assert len(found) == 6 * 4
    for name, weights in found.items():
        step = stored[name].abs().amax(dim=1, keepdim=True) / 127
        assert ((weights - stored[name]).abs() <= 0.51 * step + 2**-11 * stored[name].abs()).all(), name


@needs_bitsandbytes
@pytest.mark.parametrize("kind", KINDS)
def test_all_but_the_linear_layers_stays_as_it_was(kind: Quantize, cross: Path) -> None:
    stored = load_file(cross / "model.safetensors")
    model = CrossEncoder.load(cross, (1,), quantize=kind).model
    quantized = floats(model).keys()
    kept = {name: weight for name, weight in model.state_dict().items() if name in stored and name not in quantized}
    assert {"classifier.weight", "bert.pooler.dense.weight", "bert.embeddings.word_embeddings.weight"} <= kept.keys()
    assert [name for name, weight in kept.items() if not torch.equal(weight, stored[name])] == []
    assert (quantized_kind(model), precision_of(model)) == (kind, {"nf4": "nf4", "int8": "int8-bnb"}[kind])
    assert parameter_count(model) == sum(weight.numel() for weight in stored.values())


@needs_bitsandbytes
@pytest.mark.parametrize("family", BACKBONES)
def test_every_family_computes_with_the_weights_that_its_codes_stand_for(
    family: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """nf4 multiplies floats, so it equals a float model of these weights; int8 rounds the activations as well."""
    folder = tiny_backbone_folder(tmp_path, family, **WIDE)
    with caplog.at_level(logging.WARNING):
        models = {kind: SentenceEncoder.load(folder, quantize=kind) for kind in KINDS}
        found = {kind: model.encode(TEXTS) for kind, model in models.items()}
    expected = {}
    for kind, model in models.items():
        reference = SentenceEncoder.load(folder)
        foreign = reference.backbone.load_state_dict(floats(model.backbone), strict=False).unexpected_keys
        assert foreign == []
        expected[kind] = reference.encode(TEXTS)
    np.testing.assert_allclose(found["nf4"], expected["nf4"], atol=1e-5)
    assert 0.99 < cosines(found["int8"], expected["int8"]).min() < 1
    assert cosines(found["nf4"], SentenceEncoder.load(folder).encode(TEXTS)).max() < 0.9999
    assert caplog.messages == []


@needs_bitsandbytes
def test_a_text_does_not_depend_on_its_batch_in_nf4(bert: Path) -> None:
    encoder = SentenceEncoder.load(bert, quantize="nf4")
    together = encoder.encode(TEXTS)
    alone = np.concatenate([encoder.encode([text]) for text in TEXTS])
    np.testing.assert_allclose(alone, together, atol=1e-5)


@needs_bitsandbytes
@pytest.mark.parametrize("kind", KINDS)
def test_a_saved_cross_encoder_scores_the_same(kind: Quantize, cross: Path, tmp_path: Path) -> None:
    model = CrossEncoder.load(cross, (1,), quantize=kind)
    scores = model.score(PAIRS)  # first, since bitsandbytes might repack the weights at their first use
    model.save(tmp_path / "saved")
    loaded = CrossEncoder.load(tmp_path / "saved", (1,))
    assert quantized_kind(loaded.model) == kind
    np.testing.assert_allclose(loaded.score(PAIRS), scores, atol=1e-5)
    before, after = model.state_dict(), loaded.state_dict()
    assert before.keys() == after.keys()
    assert [name for name in before if not torch.equal(before[name], after[name])] == []
    assert np.abs(CrossEncoder.load(cross, (1,)).score(PAIRS) - scores).max() > 1e-3


@needs_bitsandbytes
def test_exit_layers_are_left_out(tmp_path: Path) -> None:
    encoder = tiny_encoder(**WIDE)
    encoder.add_exit_layers([2])
    encoder.save(tmp_path / "whole")
    quantized = SentenceEncoder.load(tmp_path / "whole", quantize="nf4")
    assert len(quantized.exit_layers) == 0
    assert cosines(quantized.encode(TEXTS), encoder.encode(TEXTS)).min() > 0.9


@needs_bitsandbytes
def test_quantized_weights_are_neither_trained_nor_quantized_again(bert: Path, tmp_path: Path) -> None:
    SentenceEncoder.load(bert, quantize="nf4").save(tmp_path)
    with pytest.raises(InputError, match="weights are nf4 already, but they cannot be trained; give the model it was"):
        SentenceEncoder.load(tmp_path, for_training=True)
    with pytest.raises(InputError, match="weights are nf4 already, but quantize is given"):
        SentenceEncoder.load(tmp_path, quantize="int8")


@needs_bitsandbytes
def test_a_layer_of_an_odd_width_stays_float32_in_nf4(tmp_path: Path) -> None:
    """bitsandbytes 0.50 computes a row wrongly on a CPU that does not hold whole blocks."""
    folder = tiny_backbone_folder(tmp_path, "bert", hidden_size=64, intermediate_size=96)
    model = SentenceEncoder.load(folder, quantize="nf4").backbone
    assert len(floats(model)) == 5 * 4
    assert not [name for name in floats(model) if name.endswith("output.dense.weight") and "attention" not in name]
    narrow = tiny_backbone_folder(tmp_path / "narrow", "bert", hidden_size=32, intermediate_size=96)
    with pytest.raises(InputError, match="this 'bert' model has no linear layers of a multiple of 64 inputs"):
        SentenceEncoder.load(narrow, quantize="nf4")
    assert len(floats(SentenceEncoder.load(narrow, quantize="int8").backbone)) == 6 * 4


@needs_bitsandbytes
def test_weights_of_an_odd_width_that_came_in_nf4_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    narrow = tiny_backbone_folder(tmp_path, "bert", hidden_size=32, intermediate_size=64)
    monkeypatch.setattr("decant.models.quantized.BLOCK", 32)
    SentenceEncoder.load(narrow, quantize="nf4").save(tmp_path / "elsewhere")
    monkeypatch.undo()
    with pytest.raises(InputError, match=r"layer\.0\.\S+ holds nf4 weights of 32 inputs, which bitsandbytes computes"):
        SentenceEncoder.load(tmp_path / "elsewhere")


@needs_bitsandbytes
def test_a_family_without_linear_layers_is_refused(tmp_path: Path) -> None:
    config = GPT2Config(vocab_size=200, n_positions=32, n_embd=16, n_layer=1, n_head=2)
    GPT2Model(config).save_pretrained(tmp_path)
    tiny_tokenizer().save_pretrained(tmp_path)
    with pytest.raises(InputError, match="quantize: nf4: this 'gpt2' model has no linear layers; leave quantize out"):
        SentenceEncoder.load(tmp_path, quantize="nf4")


@pytest.mark.parametrize(
    ("stated", "said"),
    [
        ({"quant_method": "gptq", "bits": 4}, "quantized as gptq"),
        ({"quant_method": "bitsandbytes", "load_in_4bit": True, "bnb_4bit_quant_type": "fp4"}, "quantized as fp4"),
    ],
)
def test_other_quantization_is_refused(stated: dict[str, object], said: str, bert: Path, tmp_path: Path) -> None:
    for file in bert.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    config = json.loads((bert / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"quantization_config": stated}))
    with pytest.raises(InputError, match=f"{said}; nf4, int8 and float weights can be loaded"):
        SentenceEncoder.load(tmp_path)


def test_absent_packages_are_named(bert: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    said = r"loading nf4 weights needs bitsandbytes and accelerate, which is not installed: pip install 'decant\[bnb\]'"
    with pytest.raises(InputError, match=said):
        SentenceEncoder.load(bert, quantize="nf4")


# as on a processor with AVX512-BF16, where bitsandbytes looks for a kernel on the hub while it is imported
WITH_BF16 = """
import sys

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "bitsandbytes.backends.cpu.ops":
            sys.modules["bitsandbytes.functional"].has_avx512bf16 = lambda: True

sys.modules["kernels"] = None  # not installed
sys.meta_path.insert(0, Finder())
"""
LORA = """
from decant.training.lora import LoraSettings, add_lora
from tests.tiny_models import tiny_encoder
add_lora(tiny_encoder().backbone, LoraSettings(), 0)
"""
LOAD = """
import sys
from pathlib import Path
from decant.models.encoder import SentenceEncoder
SentenceEncoder.load(Path(sys.argv[1]), quantize="nf4")
"""


@needs_peft
@pytest.mark.parametrize(
    ("code", "told"),
    [("import peft", True), *(pytest.param(code, False, marks=pytest.mark.slow) for code in (LORA, LOAD))],
)
def test_bitsandbytes_tells_of_no_kernel_on_the_hub(code: str, told: bool, bert: Path) -> None:
    command = [sys.executable, "-c", f"{WITH_BF16}{code}\nassert 'bitsandbytes' in sys.modules", str(bert)]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    assert ("kernels-community" in ran.stderr + ran.stdout) == told
