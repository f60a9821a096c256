"""Similarities are held to plain loops over the maps and states that a forward of its own gives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from transformers import (
    AutoModel,
    FNetConfig,
    LlamaConfig,
    LongformerConfig,
    MambaConfig,
    PreTrainedModel,
    T5Config,
)

from decant.errors import InputError
from students.sharing.attention_similarity import attention_similarity, full_inputs, map_products
from tests.tiny_models import BACKBONES, HEADS, LAYERS, WORDS, tiny_backbone, tiny_tokenizer

LENGTH = 12


def tokens(count: int, vocabulary: int = 60, length: int = LENGTH) -> NDArray[np.int64]:
    return np.random.default_rng(0).integers(5, vocabulary, (count, length))


def tiny_llama(**changes: Any) -> PreTrainedModel:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=64, hidden_size=32, num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=2,
        intermediate_size=48, max_position_embeddings=64, initializer_range=0.3, **changes,
    )  # fmt: skip
    model: PreTrainedModel = AutoModel.from_config(config).eval()
    return model


def cosine(first: NDArray[np.float32], second: NDArray[np.float32]) -> float:
    first, second = first.ravel().astype(np.float64), second.ravel().astype(np.float64)
    return float(first @ second / (np.linalg.norm(first) * np.linalg.norm(second)))


def by_loops(maps: Sequence[NDArray[np.float32]]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Of maps [inputs, heads, length, length] a layer: cosines [layers, layers] and [heads, layers, layers]."""
    count, inputs, heads = len(maps), len(maps[0]), maps[0].shape[1]
    layers, single = np.zeros((count, count)), np.zeros((heads, count, count))
    for one in range(inputs):
        for i in range(count):
            for j in range(count):
                layers[i, j] += cosine(maps[i][one], maps[j][one]) / inputs
                for head in range(heads):
                    single[head, i, j] += cosine(maps[i][one, head], maps[j][one, head]) / inputs
    return layers, single


@torch.inference_mode()
def maps_and_states(model: PreTrainedModel, inputs: NDArray[np.int64]) -> tuple[list[Any], list[Any]]:
    model.set_attn_implementation("eager")
    output = model(torch.from_numpy(inputs), output_attentions=True, output_hidden_states=True)
    return [one.numpy() for one in output.attentions], [one.numpy() for one in output.hidden_states]


def test_means_are_those_of_plain_loops() -> None:
    inputs = tokens(3)
    found = attention_similarity(tiny_backbone(), inputs)
    maps, states = maps_and_states(tiny_backbone(), inputs)
    layers, heads = by_loops(maps)
    np.testing.assert_allclose(found.layers, layers, atol=1e-6)
    np.testing.assert_allclose(found.heads, heads, atol=1e-6)
    by_token = [
        [cosine(before[i, t], after[i, t]) for i in range(3) for t in range(LENGTH)]
        for before, after in zip(states, states[1:], strict=False)
    ]
    np.testing.assert_allclose(found.states, np.mean(by_token, axis=1), atol=1e-6)
    assert found.layers.dtype == found.heads.dtype == found.states.dtype == np.float32
    assert np.abs(layers - np.eye(LAYERS)).max() > 0.1  # a random model, yet no two values are alike by chance


@pytest.mark.parametrize("batch_size", [1, 2, 7])
def test_batches_do_not_change_the_means(batch_size: int) -> None:
    inputs, done = tokens(7), []
    whole = attention_similarity(tiny_backbone(), inputs, batch_size=7)
    parts = attention_similarity(tiny_backbone(), inputs, batch_size, progress=done.append)
    for name in ("layers", "heads", "states"):
        np.testing.assert_allclose(getattr(parts, name), getattr(whole, name), atol=1e-6)
    assert sum(done) == 7
    assert max(done) == batch_size


@pytest.mark.parametrize("kind", BACKBONES)
def test_every_family_gives_maps(kind: str) -> None:
    found = attention_similarity(tiny_backbone(kind), tokens(2))
    assert found.layers.shape == (LAYERS, LAYERS)
    assert found.heads.shape == (HEADS, LAYERS, LAYERS)
    assert found.states.shape == (LAYERS,)
    assert not found.causal
    np.testing.assert_allclose(np.diagonal(found.layers), 1, atol=1e-6)
    np.testing.assert_allclose(found.layers, found.layers.T, atol=1e-6)
    layers, _ = by_loops(maps_and_states(tiny_backbone(kind), tokens(2))[0])
    np.testing.assert_allclose(found.layers, layers, atol=1e-6)


def test_what_is_above_a_decoders_diagonal_is_ignored() -> None:
    maps = torch.rand(2, 3, 5, 5)
    garbage = maps + 9 * torch.rand_like(maps).triu(1)
    expected, _ = by_loops([maps[i : i + 1].tril().numpy() for i in range(2)])
    for given in (maps, garbage):
        products = map_products(given, causal=True).diagonal(dim1=2, dim2=3).sum(-1)
        cosines = products / torch.sqrt(products.diagonal()[:, None] * products.diagonal())
        np.testing.assert_allclose(cosines.numpy(), expected, atol=1e-6)
    assert not torch.allclose(map_products(garbage, causal=False), map_products(maps, causal=False))


def test_a_decoder_is_causal_and_its_last_state_is_taken_before_the_models_norm() -> None:
    inputs = tokens(2)
    found = attention_similarity(tiny_llama(), inputs)
    maps, states = maps_and_states(tiny_llama(), inputs)
    assert found.causal
    assert all(np.triu(one, 1).max() == 0 for one in maps)
    np.testing.assert_allclose(found.layers, by_loops(maps)[0], atol=1e-6)
    model = tiny_llama()
    model.norm = torch.nn.Identity()
    before, after = maps_and_states(model, inputs)[1][-2:]
    expected = np.mean([cosine(before[i, t], after[i, t]) for i in range(2) for t in range(LENGTH)])
    assert found.states[-1] == pytest.approx(expected, abs=1e-6)
    assert abs(found.states[-1] - np.mean([cosine(a, b) for a, b in zip(before, states[-1], strict=True)])) > 1e-3


def stopped(done: int) -> None:
    raise ValueError("no kind of progress")


def test_the_model_is_left_as_it_was() -> None:
    model = tiny_backbone("bert").train()
    assert model.config._attn_implementation == "sdpa"
    first, second = attention_similarity(model, tokens(2)), attention_similarity(model, tokens(2))
    np.testing.assert_array_equal(first.layers, second.layers)  # dropout is off meanwhile
    assert model.training
    assert model.config._attn_implementation == "sdpa"
    assert not any(layer._forward_hooks_with_kwargs for layer in model.encoder.layer)
    with pytest.raises(ValueError, match="no kind"):
        attention_similarity(model, tokens(2), progress=stopped)
    assert model.training
    assert model.config._attn_implementation == "sdpa"


def test_modernberts_kinds_are_told() -> None:
    found = attention_similarity(tiny_backbone("modernbert"), tokens(1))
    assert found.kinds == ("full_attention", "sliding_attention") * 2
    assert attention_similarity(tiny_backbone("bert"), tokens(1)).kinds == ("full_attention",) * LAYERS


SMALL = {"vocab_size": 64, "hidden_size": 16, "num_hidden_layers": 2}
NO_MAPS = [
    (FNetConfig(**SMALL, intermediate_size=16), "a 'fnet' model gives no attention map of all tokens"),
    (MambaConfig(**SMALL, state_size=4), "a 'mamba' model gives no attention map of all tokens"),
    (
        LongformerConfig(**SMALL, num_attention_heads=2, intermediate_size=16, attention_window=4),
        "a 'longformer' model gives no attention map of all tokens for each of its 2 layers",
    ),
    (T5Config(vocab_size=64, d_model=16, d_kv=8, d_ff=16, num_layers=2, num_heads=2), "an encoder with a decoder"),
]


@pytest.mark.parametrize(("config", "said"), NO_MAPS, ids=["fnet", "mamba", "longformer", "t5"])
@pytest.mark.filterwarnings("ignore")
def test_models_without_maps_are_refused(config: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        attention_similarity(AutoModel.from_config(config), tokens(1))


def test_inputs_are_full_and_begin_with_a_text() -> None:
    tokenizer = tiny_tokenizer()
    texts = [" ".join(WORDS[i : i + 5]) for i in range(0, 20, 5)] + [" ".join(WORDS[:30])]
    inputs = full_inputs(texts, tokenizer, LENGTH)
    two = [*texts[0].split(), *texts[1].split()]  # ten words, [CLS] and [SEP]
    expected = [["[CLS]", *two, "[SEP]"], ["[CLS]", *texts[2].split(), *texts[3].split(), "[SEP]"]]
    expected += [["[CLS]", *WORDS[:10], "[SEP]"]]  # cut
    assert [tokenizer.convert_ids_to_tokens(row) for row in inputs] == expected
    assert inputs.dtype == np.int64
    np.testing.assert_array_equal(full_inputs(texts, tokenizer, LENGTH, limit=2), inputs[:2])


def test_too_little_text_is_refused() -> None:
    with pytest.raises(InputError, match="all texts together have fewer than 12 tokens; give more text"):
        full_inputs(["a dog", "a cat"], tiny_tokenizer(), LENGTH)
