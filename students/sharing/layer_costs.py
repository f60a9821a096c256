"""What the layers of a backbone hold and compute, and what sharing attention maps saves of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn
from transformers import PreTrainedModel

from decant.errors import InputError
from decant.models.backbone import layer_list
from students.sharing.grouping import followers
from students.sharing.sharing_settings import Measure

# BERT's family; MPNet; DistilBERT; DeBERTa; Llama's family, some of which norm each head's queries and keys
QUERIES_AND_KEYS = {
    "query", "key", "q", "k", "q_lin", "k_lin", "query_proj", "key_proj", "q_proj", "k_proj", "q_norm", "k_norm",
}  # fmt: skip
FUSED = {"Wqkv", "qkv_proj", "query_key_value", "c_attn"}  # queries, keys and values by one matrix


@dataclass(frozen=True)
class LayerCost:
    """One transformer layer.

    Args:
        query_width: heads × head size, the length of a dot product q·k summed over the heads.
        weights: entries of every matrix that a token is multiplied by: queries, keys, values, output and FFN.
        query_key_weights: those of queries and keys alone, without biases.
        query_key_parameters: the same with biases, and with norms of queries and keys where there are any.
    """

    query_width: int
    weights: int
    query_key_weights: int
    query_key_parameters: int

    def flops(self, length: int) -> int:
        """FLOPs of one input of `length` tokens: 2·n·weights + 2·n²·w for QKᵀ + 2·n²·w for A·V, w the query width.

        A multiplication with its addition counts as 2; softmax, norms and activations are left out. Every query meets
        every key, as eager attention and sdpa compute it, also where the mask is causal or local.
        """
        return 2 * length * self.weights + 4 * length**2 * self.query_width

    def shared_flops(self, length: int) -> int:
        """Those that a layer with another's map leaves out: 2·n·(weights of queries and keys) + 2·n²·w for QKᵀ."""
        return 2 * length * self.query_key_weights + 2 * length**2 * self.query_width


@dataclass(frozen=True)
class ModelCost:
    """A backbone: its layers in order, and the number of all its parameters, embeddings included."""

    layers: tuple[LayerCost, ...]
    parameters: int

    def savings(self, of: Measure, length: int) -> NDArray[np.float64]:
        """Share of the model, 0..1 [layers], that each layer saves when it takes another's map.

        Args:
            of: all parameters, or the FLOPs of all layers.
            length: tokens of an input; parameters do not depend on it.
        """
        if of == "parameters":
            return np.array([layer.query_key_parameters for layer in self.layers]) / self.parameters
        total = sum(layer.flops(length) for layer in self.layers)
        return np.array([layer.shared_flops(length) for layer in self.layers]) / total

    def saved(self, groups: Sequence[Sequence[int]], of: Measure, length: int) -> float:
        """Share of the model, 0..1, that these groups save: all layers of a group but its first take its map."""
        savings = self.savings(of, length)
        return float(sum(savings[number] for number in followers(groups)))

    def saved_parameters(self, groups: Sequence[Sequence[int]]) -> int:
        """Number of parameters that these groups save; followers × 2(d² + d) where queries and keys have biases."""
        return sum(self.layers[number].query_key_parameters for number in followers(groups))


def model_cost(backbone: PreTrainedModel) -> ModelCost:
    """Count a backbone of float weights.

    Raises:
        InputError: its layers are in no one list, or a layer's queries and keys have names that are not known.
    """
    config = backbone.config
    heads = int(config.num_attention_heads)
    size = int(getattr(config, "head_dim", None) or config.hidden_size // heads)
    key_heads = int(getattr(config, "num_key_value_heads", None) or heads)
    layers = tuple(_layer_cost(layer, heads * size, key_heads * size, config) for layer in layer_list(backbone)[1])
    return ModelCost(layers, sum(parameter.numel() for parameter in backbone.parameters()))


def _layer_cost(layer: nn.Module, query_width: int, key_width: int, config: Any) -> LayerCost:
    weights = parameters = 0
    for name, module in layer.named_modules():
        own = list(module.parameters())
        last = name.rpartition(".")[2]
        if last in QUERIES_AND_KEYS:
            part, whole = 1, 1
        elif last in FUSED:
            part, whole = query_width + key_width, query_width + 2 * key_width
        else:
            continue
        weights += sum(one.numel() for one in own if one.ndim == 2) * part // whole
        parameters += sum(one.numel() for one in own) * part // whole
    if not weights:
        raise InputError(f"a {config.model_type!r} layer has no query and key weights of a name that Decant knows")
    every = sum(one.numel() for one in layer.parameters() if one.ndim == 2)
    return LayerCost(query_width, every, weights, parameters)
