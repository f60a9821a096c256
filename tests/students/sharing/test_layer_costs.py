from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import AutoModel, FNetConfig, GPT2Config, LlamaConfig, Qwen3Config

from decant.errors import InputError
from students.sharing.layer_costs import LayerCost, ModelCost, model_cost
from tests.tiny_models import BACKBONES, HIDDEN, LAYERS, tiny_backbone

D, FFN = HIDDEN, 64
DECODER = {"vocab_size": 40, "hidden_size": 32, "num_hidden_layers": 2, "intermediate_size": 48}
DECODER |= {"num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8, "pad_token_id": None}


@pytest.mark.parametrize("kind", BACKBONES)
def test_queries_and_keys_of_every_family(kind: str) -> None:
    backbone = tiny_backbone(kind)
    biases = 0 if kind == "modernbert" else 2 * D
    cost = model_cost(backbone)
    assert [layer.query_key_parameters for layer in cost.layers] == [2 * D * D + biases] * LAYERS
    assert {layer.query_key_weights for layer in cost.layers} == {2 * D * D}
    assert {layer.query_width for layer in cost.layers} == {D}
    assert cost.parameters == sum(one.numel() for one in backbone.parameters())


def test_fewer_key_heads_and_norms_are_counted() -> None:
    llama = model_cost(AutoModel.from_config(LlamaConfig(**DECODER))).layers[0]
    assert (llama.query_width, llama.query_key_parameters) == (32, 32 * 32 + 32 * 16)
    assert llama.weights == 2 * 32 * 32 + 2 * 32 * 16 + 3 * 32 * 48
    qwen = model_cost(AutoModel.from_config(Qwen3Config(**DECODER))).layers[0]
    assert qwen.query_key_parameters == 32 * 32 + 32 * 16 + 2 * 8
    assert qwen.query_key_weights == llama.query_key_weights
    gpt = model_cost(AutoModel.from_config(GPT2Config(vocab_size=40, n_embd=32, n_layer=2, n_head=4, n_positions=8)))
    assert gpt.layers[0].query_key_parameters == 2 * (32 * 32 + 32)


@pytest.mark.parametrize("kind", ["bert", "mpnet", "distilbert", "roberta"])
@pytest.mark.parametrize("length", [3, 20])
def test_flops_are_those_that_torch_counts(kind: str, length: int) -> None:
    backbone = tiny_backbone(kind)
    if kind != "mpnet":
        backbone.set_attn_implementation("eager")
    ids = torch.full((1, length), 7)
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        backbone(ids, attention_mask=torch.ones_like(ids))
    cost = model_cost(backbone)
    assert sum(layer.flops(length) for layer in cost.layers) == counter.get_total_flops()


def test_what_a_taken_map_saves() -> None:
    layer = LayerCost(query_width=4, weights=100, query_key_weights=32, query_key_parameters=40)
    assert layer.flops(10) == 2 * 10 * 100 + 4 * 100 * 4
    assert layer.shared_flops(10) == 2 * 10 * 32 + 2 * 100 * 4
    cost = ModelCost((layer,) * 4, parameters=400)
    groups = ((0, 1), (2, 3))
    assert cost.saved_parameters(groups) == 80
    assert cost.saved(groups, "parameters", 10) == pytest.approx(0.2)
    assert cost.saved(groups, "flops", 10) == pytest.approx(2 * 1440 / (4 * 3600))
    np.testing.assert_allclose(cost.savings("parameters", 10), [0.1] * 4)
    assert cost.saved((), "flops", 10) == 0


def test_layers_of_unknown_names_are_refused() -> None:
    config: Any = FNetConfig(vocab_size=40, hidden_size=16, num_hidden_layers=2, intermediate_size=16)
    config.num_attention_heads = 2
    with pytest.raises(InputError, match="a 'fnet' layer has no query and key weights of a name that Decant knows"):
        model_cost(AutoModel.from_config(config))
