from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import AutoModel, GPT2Config, GPT2Model

from decant.batches import padded
from decant.errors import InputError
from decant.models.encoder import SentenceEncoder
from export.graphs.to_onnx import export_encoder
from export.serve.session import open_session
from students.cuts.prune import FAMILIES, ImportanceKind, ffn_importance, head_importance, prune_ffn
from tests.tiny_models import BACKBONES, HEADS, HIDDEN, LAYERS, tiny_backbone, tiny_encoder, tiny_tokenizer

WIDTH = 64
TEXTS = ["a cat and a dog", "the river", "two women walk in the park on green grass", "a big house", "play the guitar"]
KINDS: list[ImportanceKind] = ["activation", "taylor"]
GATED = {"modernbert"}  # two rows of the first Linear make one neuron


def layers_of(encoder: SentenceEncoder) -> nn.ModuleList:
    """The layers by the families' own names, found without the code under test."""
    backbone = encoder.backbone
    root = getattr(backbone, "encoder", None) or getattr(backbone, "transformer", None)
    return root.layer if root is not None else backbone.layers


def written_by(encoder: SentenceEncoder, layer: int, part: str) -> nn.Linear:
    names = FAMILIES[encoder.backbone.config.model_type]
    return layers_of(encoder)[layer].get_submodule(getattr(names, part))


def without(encoder: SentenceEncoder, part: str, layer: int, columns: slice) -> SentenceEncoder:
    """A copy in which one unit writes nothing."""
    copied = copy.deepcopy(encoder)
    with torch.no_grad():
        written_by(copied, layer, part).weight[:, columns] = 0
    return copied


def output_of(encoder: SentenceEncoder, linear: nn.Linear, text: str) -> Tensor:
    seen: list[Tensor] = []
    handle = linear.register_forward_hook(lambda module, arguments, output: seen.append(output.detach()))
    encoder.encode([text])
    handle.remove()
    return seen[0][0]


def random_importance(layers: int = LAYERS, width: int = WIDTH) -> NDArray[np.float32]:
    return np.random.default_rng(0).random((layers, width), np.float32)


def plain_vectors(folder: Path, encoder: SentenceEncoder, texts: list[str]) -> NDArray[np.float32]:
    """Mean-pooled unit vectors of the saved model in nothing but transformers."""
    model = AutoModel.from_pretrained(folder).eval()
    ids, mask = padded(encoder.tokenize(texts), int(encoder.tokenizer.pad_token_id))
    with torch.inference_mode():
        states = model(input_ids=ids, attention_mask=mask).last_hidden_state
    means = (states * mask[..., None]).sum(dim=1)
    return nn.functional.normalize(means, dim=-1).numpy()


@pytest.mark.parametrize("kind", BACKBONES)
def test_keeping_every_neuron_is_the_original_bit_for_bit(kind: str) -> None:
    encoder = tiny_encoder(kind)
    whole = prune_ffn(encoder, WIDTH, random_importance())
    assert whole is not encoder
    np.testing.assert_array_equal(whole.encode(TEXTS), encoder.encode(TEXTS))
    for name, tensor in encoder.state_dict().items():
        assert torch.equal(tensor, whole.state_dict()[name])


@pytest.mark.parametrize("kind", BACKBONES)
def test_neurons_that_write_nothing_are_pruned_for_free(kind: str) -> None:
    encoder = tiny_encoder(kind)
    silent = np.random.default_rng(1).permuted(np.tile(np.arange(WIDTH) < 24, (LAYERS, 1)), axis=1)
    with torch.no_grad():
        for layer in range(LAYERS):
            written_by(encoder, layer, "ffn_output").weight[:, torch.from_numpy(silent[layer])] = 0
    for measure in KINDS:
        importance = ffn_importance(encoder, TEXTS, measure)
        np.testing.assert_array_equal(importance == 0, silent)
        pruned = prune_ffn(encoder, WIDTH - 24, importance)
        np.testing.assert_allclose(pruned.encode(TEXTS), encoder.encode(TEXTS), atol=2e-6)


@pytest.mark.parametrize("kind", BACKBONES)
def test_pruned_encoder_is_a_smaller_plain_checkpoint(kind: str, tmp_path: Path) -> None:
    encoder = tiny_encoder(kind)
    before = {name: tensor.clone() for name, tensor in encoder.state_dict().items()}
    pruned = prune_ffn(encoder, 40, random_importance())
    biases = next(iter(layers_of(encoder))).get_submodule(FAMILIES[kind].ffn_input).bias is not None
    first = 2 if kind in GATED else 1
    lost = LAYERS * (WIDTH - 40) * (first * (HIDDEN + biases) + HIDDEN)
    counts = [sum(parameter.numel() for parameter in one.parameters()) for one in (encoder, pruned)]
    assert counts[0] - counts[1] == lost

    pruned.save(tmp_path)
    vectors = pruned.encode(TEXTS)
    np.testing.assert_array_equal(SentenceEncoder.load(tmp_path).encode(TEXTS), vectors)
    np.testing.assert_allclose(plain_vectors(tmp_path, pruned, TEXTS), vectors, atol=2e-6)
    assert all(torch.equal(tensor, before[name]) for name, tensor in encoder.state_dict().items())
    assert np.abs(vectors - encoder.encode(TEXTS)).max() > 1e-3  # 24 of 64 random neurons do matter


@pytest.mark.parametrize("kind", BACKBONES)
def test_graph_of_a_pruned_encoder(kind: str, tmp_path: Path) -> None:
    pruned = prune_ffn(tiny_encoder(kind, num_hidden_layers=2), 40, random_importance(2))
    export_encoder(pruned, tmp_path / "model.onnx")
    graph = onnx.load(tmp_path / "model.onnx").graph
    read = {name for node in graph.node for name in node.input}
    assert all(weight.name in read for weight in graph.initializer)
    assert not any(WIDTH in weight.dims or 2 * WIDTH in weight.dims for weight in graph.initializer)
    ids, mask = padded(pruned.tokenize(TEXTS), int(pruned.tokenizer.pad_token_id))
    session = open_session(tmp_path / "model.onnx", threads=1)
    (vectors,) = session.run(["sentence_embedding"], {"input_ids": ids.numpy(), "attention_mask": mask.numpy()})
    np.testing.assert_allclose(vectors, pruned.encode(TEXTS), atol=1e-5)


def test_pruned_weights_by_hand() -> None:
    encoder = tiny_encoder("bert", num_hidden_layers=1, intermediate_size=4)
    pruned = prune_ffn(encoder, 2, np.array([[0.5, 0.1, 0.0, 0.5]], np.float32))
    old, new = layers_of(encoder)[0], layers_of(pruned)[0]
    assert torch.equal(new.intermediate.dense.weight, old.intermediate.dense.weight[[0, 3]])
    assert torch.equal(new.intermediate.dense.bias, old.intermediate.dense.bias[[0, 3]])
    assert torch.equal(new.output.dense.weight, old.output.dense.weight[:, [0, 3]])
    assert (new.intermediate.dense.out_features, new.output.dense.in_features) == (2, 2)
    tied = prune_ffn(encoder, 2, np.ones((1, 4), np.float32))
    assert torch.equal(layers_of(tied)[0].output.dense.weight, old.output.dense.weight[:, :2])


@pytest.mark.parametrize("kind", BACKBONES)
@pytest.mark.parametrize(
    ("part", "measure", "units"), [("attention_output", head_importance, HEADS), ("ffn_output", ffn_importance, WIDTH)]
)
def test_activation_is_what_the_unit_adds(
    kind: str, part: str, measure: Callable[..., NDArray[np.float32]], units: int
) -> None:
    encoder = tiny_encoder(kind)
    text, layer, unit = "a cat and a big dog", 2, 3
    size = written_by(encoder, layer, part).in_features // units
    silenced = without(encoder, part, layer, slice(unit * size, (unit + 1) * size))
    added = output_of(encoder, written_by(encoder, layer, part), text) - output_of(
        silenced, written_by(silenced, layer, part), text
    )
    importance = measure(encoder, [text], "activation")
    assert importance.shape == (LAYERS, units)
    assert importance[layer, unit] == pytest.approx(float(added.norm(dim=-1).mean()), rel=1e-3)


@pytest.mark.parametrize("kind", BACKBONES)
@pytest.mark.parametrize(
    ("part", "measure", "units"), [("attention_output", head_importance, HEADS), ("ffn_output", ffn_importance, WIDTH)]
)
def test_taylor_is_the_slope_of_the_loss(
    kind: str, part: str, measure: Callable[..., NDArray[np.float32]], units: int
) -> None:
    encoder = tiny_encoder(kind).double()
    texts, layer, unit, step = TEXTS[:2], 1, 2, 1e-3  # ModernBERT's rotary part is float32
    direction = torch.linspace(-1, 1, HIDDEN, dtype=torch.float64)
    importance = measure(encoder, texts, "taylor", loss=lambda vectors, rows: (vectors @ direction).sum())
    size = written_by(encoder, layer, part).in_features // units

    def scaled(factor: float) -> Tensor:
        copied = copy.deepcopy(encoder)
        with torch.no_grad():
            written_by(copied, layer, part).weight[:, unit * size : (unit + 1) * size] *= factor
            ids, mask = padded(copied.tokenize(texts), int(copied.tokenizer.pad_token_id))
            return copied(ids, mask)[1].double() @ direction

    slopes = (scaled(1 + step) - scaled(1 - step)) / (2 * step)
    assert importance[layer, unit] == pytest.approx(float(slopes.abs().mean()), rel=1e-3)


def test_default_loss_gives_how_far_the_vector_moves() -> None:
    encoder = tiny_encoder("bert").double()
    importance = head_importance(encoder, ["a cat"] * 2000, batch_size=500)
    ids, mask = padded(encoder.tokenize(["a cat"]), 1)
    step = 1e-5
    for layer in range(LAYERS):
        for head in range(HEADS):
            copied = copy.deepcopy(encoder)
            with torch.no_grad():
                written_by(copied, layer, "attention_output").weight[:, head * 8 : head * 8 + 8] *= 1 - step
                moved = float((copied(ids, mask)[1] - encoder(ids, mask)[1]).norm()) / step
            assert importance[layer, head] == pytest.approx(moved, rel=0.06)  # sampling error 0.76/√2000 = 1.7 %


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("measure", [head_importance, ffn_importance])
def test_batches_and_padding_change_nothing(kind: ImportanceKind, measure: Callable[..., NDArray[np.float32]]) -> None:
    encoder = tiny_encoder("bert").train()
    one = measure(encoder, TEXTS, kind, batch_size=1)
    np.testing.assert_allclose(measure(encoder, TEXTS, kind, batch_size=5), one, rtol=1e-4, atol=1e-7)
    assert encoder.training
    assert all(parameter.grad is None for parameter in encoder.parameters())
    assert not any(module._forward_pre_hooks for module in encoder.modules())


def test_loss_is_given_the_rows_of_its_vectors() -> None:
    encoder = tiny_encoder("bert").requires_grad_(False)
    vectors = torch.from_numpy(encoder.encode(TEXTS))
    met: list[int] = []

    def loss(batch: Tensor, rows: NDArray[np.int64]) -> Tensor:
        torch.testing.assert_close(batch.detach(), vectors[torch.from_numpy(rows)], atol=1e-5, rtol=0)
        met.extend(rows.tolist())
        return batch[:, 0].sum()

    ffn_importance(encoder, TEXTS, loss=loss, batch_size=2)
    assert sorted(met) == list(range(len(TEXTS)))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("family", ["bert", "modernbert"])
def test_the_important_half_holds_the_vectors(kind: ImportanceKind, family: str) -> None:
    encoder = tiny_encoder(family)
    held_out = [
        "a red plane on the street",
        "the man and the boy run",
        "small child",
        "read in the market of the big house",
    ]
    importance = ffn_importance(encoder, TEXTS, kind)
    kept, dropped = (prune_ffn(encoder, WIDTH // 2, sign * importance).encode(held_out) for sign in (1, -1))
    original = encoder.encode(held_out)
    assert (kept * original).sum(axis=1).mean() > (dropped * original).sum(axis=1).mean() + 0.02


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("family", BACKBONES)
def test_a_silent_head_has_no_importance(kind: ImportanceKind, family: str) -> None:
    encoder = without(tiny_encoder(family), "attention_output", 1, slice(16, 24))
    importance = head_importance(encoder, TEXTS, kind)
    assert np.argwhere(importance == 0).tolist() == [[1, 2]]


@pytest.mark.parametrize("kind", BACKBONES)
def test_no_family_can_store_fewer_heads_of_the_same_size(kind: str) -> None:
    """Why heads are weighed but not dropped: with half of them, of the same size, the output takes every column."""
    sizes = {"head_dim": 8, "attention_head_size": 8}
    half = tiny_backbone(kind, num_attention_heads=HEADS // 2, **sizes)
    encoder = SentenceEncoder(half, tiny_tokenizer(kind))
    assert written_by(encoder, 0, "attention_output").in_features == HIDDEN


def test_bad_requests_are_named() -> None:
    encoder = tiny_encoder("bert")
    for width in (0, WIDTH + 1):
        with pytest.raises(InputError, match=rf"FFN width {width} is outside 1\.\.64"):
            prune_ffn(encoder, width, random_importance())
    with pytest.raises(InputError, match=r"importance has the shape \(3, 64\), not the \(4, 64\)"):
        prune_ffn(encoder, 8, random_importance(3))
    with pytest.raises(InputError, match="importance holds NaN"):
        prune_ffn(encoder, 8, np.full((LAYERS, WIDTH), np.nan, np.float32))
    with pytest.raises(InputError, match="none is given"):
        ffn_importance(encoder, [])
    with pytest.raises(InputError, match="takes no loss"):
        head_importance(encoder, TEXTS, "activation", loss=lambda vectors, rows: vectors.sum())


def test_other_families_are_refused() -> None:
    config = GPT2Config(vocab_size=200, n_positions=32, n_embd=16, n_layer=1, n_head=2)
    encoder = SentenceEncoder(GPT2Model(config), tiny_tokenizer(), max_length=32)
    with pytest.raises(InputError, match="a 'gpt2' backbone cannot be pruned; bert, roberta"):
        ffn_importance(encoder, TEXTS)
