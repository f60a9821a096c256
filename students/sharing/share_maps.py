"""Students whose layers share attention maps, made from models whose layers each compute their own (EchoAtt).

Every kept weight is inherited; what the followers forget is learned again by distillation.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from transformers import PreTrainedModel

from decant.errors import InputError
from decant.models.backbone import layer_list
from decant.models.encoder import SentenceEncoder
from decant.models.quantized import quantized_kind
from decant.models.shared_attention import attention_names, share_layer, share_maps
from decant.models.shared_config import SharedAttention, read_config, shared_attention, state_sharing
from students.sharing.grouping import check_groups, sharing
from students.sharing.sharing_settings import SharingSettings
from teachers.cross_encoders.cross_encoder import CrossEncoder

Model = TypeVar("Model", bound=PreTrainedModel)
Grouping = Sequence[Sequence[int]]


def share_attention(encoder: SentenceEncoder, groups: Grouping, head_scale: bool = False) -> SentenceEncoder:
    """An encoder of its own in which each group computes one attention map; see `share_backbone`.

    An exit layer of its own follows or leads as the layer that it stands for.
    """
    shared = copy.deepcopy(encoder)
    _share(shared.backbone, groups, head_scale)
    stated = shared_attention(shared.backbone.config)
    for group in stated.groups:
        for number in group:
            depth = str(number + 1)
            if depth in shared.exit_layers:
                shared.exit_layers[depth] = share_layer(
                    shared.exit_layers[depth], shared.backbone.config, stated, group[0], number != group[0]
                )
    return shared.train(encoder.training)


def share_cross_encoder(cross: CrossEncoder, groups: Grouping, head_scale: bool = False) -> CrossEncoder:
    """A cross-encoder of its own in which each group computes one attention map; see `share_backbone`."""
    shared = copy.deepcopy(cross)
    _share(shared.model, groups, head_scale)
    return shared.train(cross.training)


def share_backbone(model: Model, groups: Grouping, head_scale: bool = False) -> Model:
    """A transformers model of its own in which each group computes one attention map.

    The first layer of a group computes A = softmax(QKᵀ/√d + mask); the others give A·V with their own values, output
    and FFN, and hold no queries and keys: 2(d² + d) weights fewer each, in BERT and its kin of width d. In training
    each layer drops out of A anew. A decoder's cache holds the followers' values alone.

    Args:
        model: not changed; a bare body or one with a head.
        groups: as `students.sharing.grouping` has them; a group of one shares nothing.
        head_scale: give each follower a learned scale per head on the reused map, 1 at first: an extension, which is
            not in EchoAtt.

    Raises:
        InputError: a grouping that the model cannot have, a family whose layers have no maps to share, or a model
            that is quantized or shares maps already.
    """
    shared = copy.deepcopy(model)
    _share(shared, groups, head_scale)
    return shared.train(model.training)


def stores_shared_maps(encoder: SentenceEncoder) -> bool:
    """Whether some of its layers reuse a map, so that its folder is of a model type of our own."""
    return bool(shared_attention(encoder.backbone.config).groups)


def check_sharing(folder: Path, settings: SharingSettings, layers: Sequence[int] = ()) -> None:
    """Refuse sharing that the model of a folder cannot have, by its config alone.

    Args:
        layers: those of the model that are kept before its maps are shared, in whose new numbers groups are written;
            none: all.

    Raises:
        InputError: as `share_backbone`, or groups to be chosen where no two layers of one kind may share.
    """
    config = read_config(folder)
    attention_names(config)
    if shared_attention(config).groups:
        raise InputError(f"the layers of {folder} share attention maps already; leave sharing out")
    kept = list(layers) or list(range(int(config.num_hidden_layers)))
    every = getattr(config, "layer_types", None)
    kinds = [every[number] for number in kept] if every else None
    if settings.groups is not None:
        check_groups(settings.groups, len(kept), kinds)
        return
    free = kept[settings.free_first : len(kept) - settings.free_last]
    alike = [first for first, second in zip(free, free[1:], strict=False) if not every or every[first] == every[second]]
    if not alike:
        raise InputError(
            f"free_first {settings.free_first} and free_last {settings.free_last} leave no two neighbours of one kind "
            f"among the student's {len(kept)} layers; free fewer"
        )


def _share(model: PreTrainedModel, groups: Grouping, head_scale: bool) -> None:
    config = model.config
    attention_names(config)
    if shared_attention(config).groups:
        raise InputError("the layers of this model share attention maps already; give the model it was made from")
    if quantized_kind(model) is not None:
        raise InputError("the weights of this model are quantized; share its attention maps before it is quantized")
    check_groups(groups, int(config.num_hidden_layers), getattr(config, "layer_types", None))
    state_sharing(config, SharedAttention(groups=sharing(groups), head_scale=head_scale))
    if sharing(groups):
        share_maps(model, *layer_list(model))
