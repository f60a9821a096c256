"""Layers that reuse the attention map of a layer before them, without queries and keys of their own.

After EchoAtt (attention A = softmax(QKᵀ/√d) computed once a group of layers, A·V in each of them). The map passes
from an anchor to its followers in a dict that every forward makes anew and hands to its layers as the keyword
`shared_maps`: no module keeps it, so copies, threads and encoders that share layers cannot read each other's.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import AttentionInterface, PreTrainedConfig, PreTrainedModel

from decant.errors import InputError
from decant.models.shared_config import SharedAttention, shared_attention

Maps = dict[int, Tensor]  # anchor → its map [batch, heads, length, keys], before dropout
IMPLEMENTATION = "decant_publish_map"


@dataclass(frozen=True)
class AttentionNames:
    """Where a family keeps its attention inside a layer, and that module's parts.

    Attributes:
        map_only: what only the map needs.
        output: the projection behind A·V, where the attention module itself ends with it.
    """

    attention: str
    map_only: tuple[str, ...]
    value: str
    output: str | None = None

    @property
    def projection(self) -> str:
        """Where in a layer the projection behind A·V stands."""
        return "attention.output.dense" if self.output is None else f"{self.attention}.{self.output}"


BERT_NAMES = AttentionNames("attention.self", ("query", "key"), "value")
LLAMA_NAMES = AttentionNames("self_attn", ("q_proj", "k_proj", "q_norm", "k_norm"), "v_proj", "o_proj")
FAMILIES = {
    "bert": BERT_NAMES,
    "roberta": BERT_NAMES,
    "xlm-roberta": BERT_NAMES,
    "electra": BERT_NAMES,
    "mpnet": AttentionNames("attention.attn", ("q", "k"), "v", "o"),
    "distilbert": AttentionNames("attention", ("q_lin", "k_lin"), "v_lin", "out_lin"),
    "modernbert": AttentionNames("attn", ("Wqkv",), "Wv", "Wo"),
    "llama": LLAMA_NAMES,
    "qwen3": LLAMA_NAMES,
}


def attention_names(config: PreTrainedConfig) -> AttentionNames:
    """The names of a model's family.

    Raises:
        InputError: its layers compute no attention map that others could reuse.
    """
    if config.model_type not in FAMILIES:
        raise InputError(
            f"a {config.model_type!r} model has no attention maps that its layers could share; "
            f"those of {', '.join(FAMILIES)} have"
        )
    return FAMILIES[config.model_type]


def share_maps(model: PreTrainedModel, path: Sequence[str], layers: nn.ModuleList) -> None:
    """Rebuild a model in place so that its layers share maps as its config says.

    Attention must stay eager: other implementations form masks that hold less.

    Args:
        path: where the list of layers stands in the model, as names from its root.
        layers: that list; its followers lose their queries and keys.

    Raises:
        InputError: a family whose layers cannot share maps.
        ValueError: a layer that the model does not have.
    """
    sharing = shared_attention(model.config)
    for group in sharing.groups:
        if not 0 <= min(group) <= max(group) < len(layers):
            raise ValueError(f"shared_attention names the layers {list(group)}, but there are {len(layers)}")
        for number in group:
            layers[number] = share_layer(layers[number], model.config, sharing, group[0], number != group[0])
    model.set_attn_implementation("eager")
    owner = model.get_submodule(".".join(path[:-1]))
    owner.register_forward_pre_hook(_with_maps, with_kwargs=True)


def share_layer(
    layer: nn.Module, config: PreTrainedConfig, sharing: SharedAttention, group: int, follows: bool
) -> nn.Module:
    """A layer, changed in place, that publishes its map or reuses that of its group.

    Args:
        group: the number that anchor and followers know their map by.
        follows: whether it reuses the map.

    Raises:
        InputError: a family whose layers cannot share maps.
    """
    names = attention_names(config)
    AttentionInterface.register(IMPLEMENTATION, publish_map)
    parent, _, name = names.attention.rpartition(".")
    holder = layer.get_submodule(parent)
    attention: Any = getattr(holder, name)
    if follows:
        setattr(holder, name, FollowerAttention(attention, names, group, sharing.head_scale))
    elif config.model_type == "mpnet":
        setattr(holder, name, MPNetAnchor(attention, group))
    else:
        attention.group = group
        attention.config = copy.deepcopy(attention.config)
        attention.config._attn_implementation = IMPLEMENTATION
    return MPNetGroupLayer(layer) if config.model_type == "mpnet" else layer


def publish_map(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None,
    scaling: float = 1.0, dropout: float = 0.0, **passed: Any,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Eager attention that leaves its map for the layers that reuse it: transformers' attention interface.

    Args:
        query: [batch, heads, length, size].
        key, value: [batch, key heads, keys, size].
        attention_mask: what is added to the scores, float [batch, 1 or heads, 1 or length, keys].
        passed: what the model was called with, `shared_maps` among it: where the map is left.

    Returns:
        A·V [batch, length, heads, size], and A [batch, heads, length, keys].

    Raises:
        RuntimeError: the mask is of another attention implementation, so that what it hides is not in it.
    """
    causal = bool(getattr(module, "is_causal", False))
    if (attention_mask is None and causal and query.shape[2] > 1) or (
        attention_mask is not None and attention_mask.dtype == torch.bool
    ):
        raise RuntimeError("layers that share attention maps need set_attn_implementation('eager')")
    repeats = int(getattr(module, "num_key_value_groups", 1))
    scores = query @ _repeated(key, repeats).transpose(2, 3) * scaling
    if attention_mask is not None:
        scores = scores + attention_mask
    attention_map = functional.softmax(scores, dim=-1)
    maps: Maps | None = passed.get("shared_maps")
    if maps is not None:
        maps[cast(int, module.group)] = attention_map
    mixed = functional.dropout(attention_map, dropout, module.training) @ _repeated(value, repeats)
    return mixed.transpose(1, 2).contiguous(), attention_map


class FollowerAttention(nn.Module):
    """A·V with the map of another layer, and with the values, output and dropout of the attention it stands for.

    Its parts keep their names, so its weights are those of the family's checkpoint without queries and keys.

    Args:
        attention: of the family; its parts are taken over.
        group: what the map is known by.
        head_scale: whether a learned γ per head, 1 at first, scales the map: an extension, not in EchoAtt.
    """

    def __init__(self, attention: Any, names: AttentionNames, group: int, head_scale: bool) -> None:
        super().__init__()
        self.names, self.group = names, group
        for name, part in attention.named_children():
            if name not in names.map_only:
                self.add_module(name, part)
        if not hasattr(self, "dropout"):
            self.dropout = nn.Dropout(attention.attention_dropout)
        if not hasattr(self, names.value):
            self.add_module(names.value, _last_third(attention.get_submodule(names.map_only[0])))
        self.head_dim = int(getattr(attention, "attention_head_size", 0) or attention.head_dim)
        self.layer_idx: int | None = getattr(attention, "layer_idx", None)
        self.repeats = int(getattr(attention, "num_key_value_groups", 1))
        value = cast(nn.Linear, getattr(self, names.value))
        heads = value.out_features // self.head_dim * self.repeats
        self.head_scale = nn.Parameter(torch.ones(heads, device=value.weight.device)) if head_scale else None

    def forward(
        self, hidden_states: Tensor, *unused: object, past_key_values: Any = None, shared_maps: Maps | None = None,
        **ignored: object,
    ) -> tuple[Tensor, Tensor]:  # fmt: skip
        """As the family's attention: states [batch, length, hidden], and the reused map.

        Raises:
            RuntimeError: no layer of this forward computed the map.
        """
        if shared_maps is None or self.group not in shared_maps:
            raise RuntimeError(f"the attention map of group {self.group} was not computed in this forward")
        values = self.get_submodule(self.names.value)(hidden_states)
        values = values.unflatten(-1, (-1, self.head_dim)).transpose(1, 2)
        # a cache keeps two tensors a layer and counts, crops and reorders by the first: half of the values in each
        parts = (values,)
        if past_key_values is not None:
            parts = past_key_values.update(*values.chunk(2, dim=-1), self.layer_idx)
        attention_map = shared_maps[self.group]
        dropped = self.dropout(attention_map)
        mixed = [dropped @ _repeated(part, self.repeats) for part in parts]
        states = torch.cat(mixed, dim=-1) if len(mixed) > 1 else mixed[0]
        if self.head_scale is not None:
            states = states * self.head_scale[:, None, None]
        states = states.transpose(1, 2).flatten(-2)
        for name in (self.names.output, "out_drop"):
            if name is not None and hasattr(self, name):
                states = self.get_submodule(name)(states)
        return states, attention_map


class MPNetAnchor(nn.Module):
    """MPNet's attention through `publish_map`, which its own code, without an attention interface, cannot call."""

    def __init__(self, attention: Any, group: int) -> None:
        super().__init__()
        self.q, self.k, self.v, self.o = attention.q, attention.k, attention.v, attention.o
        self.dropout, self.group = attention.dropout, group
        self.head_dim = int(attention.attention_head_size)

    def forward(
        self, hidden_states: Tensor, attention_mask: Tensor | None, position_bias: Tensor | None,
        shared_maps: Maps | None,
    ) -> tuple[Tensor, Tensor]:  # fmt: skip
        """States [batch, length, hidden], and the map; `position_bias` float [batch, heads, length, length]."""
        query, key, value = (
            part(hidden_states).unflatten(-1, (-1, self.head_dim)).transpose(1, 2) for part in (self.q, self.k, self.v)
        )
        added = [part for part in (position_bias, attention_mask) if part is not None]
        mask = sum(added[1:], start=added[0]) if added else None
        states, attention_map = publish_map(
            self, query, key, value, mask, self.head_dim**-0.5, self.dropout.p, shared_maps=shared_maps
        )
        return self.o(states.flatten(-2)), attention_map


class MPNetGroupLayer(nn.Module):
    """MPNet's layer, whose own code hands no keywords to its attention."""

    def __init__(self, layer: Any) -> None:
        super().__init__()
        self.attention, self.intermediate, self.output = layer.attention, layer.intermediate, layer.output

    def forward(
        self, hidden_states: Tensor, attention_mask: Tensor | None = None, position_bias: Tensor | None = None,
        *, shared_maps: Maps | None = None, **unused: object,
    ) -> tuple[Tensor, Tensor]:  # fmt: skip
        """States after the layer [batch, length, hidden], and its map."""
        states, attention_map = self.attention.attn(
            hidden_states, attention_mask=attention_mask, position_bias=position_bias, shared_maps=shared_maps
        )
        states = self.attention.LayerNorm(self.attention.dropout(states) + hidden_states)
        return self.output(self.intermediate(states), states), attention_map


def sharing_class(
    model_class: type[PreTrainedModel], layer_list: Callable[[PreTrainedModel], tuple[list[str], nn.ModuleList]]
) -> type[PreTrainedModel]:
    """A class whose models are made with shared maps, so that a checkpoint without queries and keys fits them."""

    def make(model: PreTrainedModel, config: PreTrainedConfig, *arguments: Any, **options: Any) -> None:
        model_class.__init__(model, config, *arguments, **options)
        share_maps(model, *layer_list(model))

    return type(model_class.__name__, (model_class,), {"__init__": make, "__module__": model_class.__module__})


def _with_maps(
    owner: nn.Module, arguments: tuple[Any, ...], options: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    return arguments, options | {"shared_maps": {}}


def _repeated(heads: Tensor, times: int) -> Tensor:
    """Key heads [batch, heads, …] for each of the query heads that read them."""
    return heads if times == 1 else heads.repeat_interleave(times, dim=1)


def _last_third(fused: nn.Linear) -> nn.Linear:
    """The values out of a projection to queries, keys and values one after another."""
    rows = fused.out_features // 3
    value = nn.Linear(fused.in_features, rows, fused.bias is not None, device=fused.weight.device)
    value.weight = nn.Parameter(fused.weight.detach()[-rows:].clone(), fused.weight.requires_grad)
    if fused.bias is not None:
        value.bias = nn.Parameter(fused.bias.detach()[-rows:].clone(), fused.bias.requires_grad)
    return value
