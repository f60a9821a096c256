"""Cuts of an encoder: fewer layers and shorter vectors, with no weight left that the answer does not need."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from torch import nn

from decant.errors import InputError
from decant.models.backbone import layer_list
from decant.models.encoder import SentenceEncoder
from decant.models.families import FAMILIES, Family
from decant.models.pooling import TOP_LAYERS, PoolingKind
from decant.models.pooling_kind import CONCAT_TOP_MEAN
from decant.models.shared_config import read_config, shared_attention, state_sharing
from decant.models.static_backbone import StaticBackbone
from students.sharing.grouping import kept_groups


def cut(encoder: SentenceEncoder, layers: int | Sequence[int], dim: int | None = None) -> SentenceEncoder:
    """A smaller encoder of its own: its checkpoint and graph hold what is kept and nothing else.

    Token states are cut to `dim` before pooling (mean pooling commutes with the cut), so that a runtime that pools
    by itself gets the cut vectors too.

    Args:
        encoder: not changed.
        layers: how many layers are kept from the first one on, or the numbers of those to keep, 0-based, rising.
        dim: how many of the first dimensions are kept; default: all that the encoder gives.

    Raises:
        InputError: a layer or dim that the encoder does not have, or a choice that its family cannot store.
    """
    _check_dim(encoder, dim)
    if encoder.static is not None:
        return _cut_table(encoder, encoder.static, layers, dim or encoder.dim)
    chosen = _chosen(encoder, layers)
    shared = at_depth(encoder, layers) if isinstance(layers, int) else with_layers(encoder, chosen)
    shared.exit_layers = nn.ModuleDict()
    if dim is not None:
        shared.dim = dim
    return copy.deepcopy(shared)


def _cut_table(
    encoder: SentenceEncoder, table: StaticBackbone, layers: int | Sequence[int], dim: int
) -> SentenceEncoder:
    if layers not in (0, (), []):
        raise InputError(f"cut to {layers} layers: a static encoder has none; 0 is its depth")
    rows = table.embeddings.weight.detach()[:, :dim].clone()
    shared = _shallow(encoder)
    shared.backbone, shared.dim = StaticBackbone.of(rows), dim
    return cast(SentenceEncoder, copy.deepcopy(shared))


def with_layers(encoder: SentenceEncoder, chosen: Sequence[int]) -> SentenceEncoder:
    """The same encoder through the chosen layers only, sharing its weights: what trains one trains the other."""
    every = layer_list(encoder.backbone)[1]
    shared = _through(encoder, chosen, [every[number] for number in chosen])
    shared.exit_layers = nn.ModuleDict()
    return shared


def at_depth(encoder: SentenceEncoder, depth: int) -> SentenceEncoder:
    """The same encoder down to the exit at `depth`, 1..layers, sharing its weights.

    Its last layer is the exit's own, where it has one; the exits above keep theirs.
    """
    every, own = layer_list(encoder.backbone)[1], encoder.exit_layers
    layers = [*every[: depth - 1], own[str(depth)] if str(depth) in own else every[depth - 1]]
    shared = _through(encoder, range(depth), layers)
    shared.exit_layers = nn.ModuleDict({name: layer for name, layer in own.items() if int(name) < depth})
    return shared


def _through(encoder: SentenceEncoder, chosen: Sequence[int], layers: Sequence[nn.Module]) -> SentenceEncoder:
    """The encoder through `layers`, which stand for the chosen ones of its own."""
    backbone = encoder.backbone
    path, _ = layer_list(backbone)
    config = copy.deepcopy(backbone.config)
    config.num_hidden_layers = len(chosen)
    if getattr(config, "layer_types", None):
        config.layer_types = [config.layer_types[number] for number in chosen]
    sharing = shared_attention(config)
    state_sharing(config, sharing.model_copy(update={"groups": kept_groups(sharing.groups, chosen)}))
    kept = _along(backbone, path, nn.ModuleList(layers), backbone.config, config)
    shared = _shallow(encoder)
    shared.backbone = kept
    return cast(SentenceEncoder, shared)


def check_layers(folder: Path, chosen: Sequence[int], pooling: PoolingKind) -> None:
    """Refuse layers that the model of a folder cannot be cut to, by its config alone.

    Raises:
        InputError: as `cut`.
    """
    config = read_config(folder)
    _check_layers(list(chosen), int(config.num_hidden_layers), pooling, config.model_type)
    kept_groups(shared_attention(config).groups, chosen)


def _chosen(encoder: SentenceEncoder, layers: int | Sequence[int]) -> list[int]:
    have = encoder.layers
    if isinstance(layers, int):
        if not 1 <= layers <= have:
            raise InputError(f"cut to {layers} layers: the encoder has {have}, so 1..{have} can be kept")
        chosen = list(range(layers))
    else:
        chosen = list(layers)
    _check_layers(chosen, have, encoder.pooling, encoder.backbone.config.model_type)
    return chosen


def _check_layers(chosen: list[int], have: int, pooling: PoolingKind, model_type: str) -> None:
    if not chosen or any(not 0 <= number < have for number in chosen) or chosen != sorted(set(chosen)):
        raise InputError(f"keep layers {chosen}: give rising numbers of 0..{have - 1}, at least one")
    if pooling == CONCAT_TOP_MEAN and len(chosen) < TOP_LAYERS - 1:
        raise InputError(f"cut to {len(chosen)} layers: concat_top_mean pooling needs {TOP_LAYERS - 1} or more")
    family = FAMILIES.get(model_type, Family())
    if not family.learns:
        raise InputError(f"a {model_type!r} model cannot be cut to some of its layers: {family.why_not}")
    if family.first_layer is not None and chosen[0] != 0:
        raise InputError(f"keep layers without 0: {family.first_layer}, so it must stay")


def _check_dim(encoder: SentenceEncoder, dim: int | None) -> None:
    if dim is not None and not 1 <= dim <= encoder.dim:
        raise InputError(f"cut to {dim} dimensions: the encoder's vectors have {encoder.dim}, so 1..{encoder.dim}")


def _along(module: Any, path: Sequence[str], layers: nn.ModuleList, old: Any, config: Any) -> Any:
    """Shallow copies of the modules along a path, with other layers at its end and the new config."""
    if not path:
        return layers
    copied = _shallow(module)
    if getattr(module, "config", None) is old:
        copied.config = config
    copied._modules[path[0]] = _along(module._modules[path[0]], path[1:], layers, old, config)
    return copied


def _shallow(module: nn.Module) -> Any:
    copied = copy.copy(module)
    copied._modules = dict(module._modules)
    return copied
