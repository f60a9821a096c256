"""What a student starts from: a model's encoder, with its tokens, layers and FFN neurons cut to those that are kept."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from decant.errors import InputError
from decant.models.encoder import SentenceEncoder
from students.cuts.cut import cut
from students.cuts.prune import ffn_importance, ffn_neurons, prune_ffn
from students.cuts.vocabulary import prune_vocabulary
from students.cuts.vocabulary_settings import VocabularySettings
from students.sharing.attention_similarity import AttentionSimilarity, attention_similarity, full_inputs
from students.sharing.choose_groups import choose_groups, nearest_pair
from students.sharing.grouping import Groups, check_groups
from students.sharing.layer_costs import model_cost
from students.sharing.match_heads import match_heads
from students.sharing.share_maps import share_attention, share_cross_encoder
from students.sharing.sharing_settings import THRESHOLD, SharingSettings
from teachers.cross_encoders.cross_encoder import CrossEncoder

SAMPLE = 512  # texts that importance is measured on
MAP_TEXTS, MAP_INPUTS, MAP_TOKENS = 4096, 64, 128  # most texts, inputs and tokens an input that maps are compared on
Whole = TypeVar("Whole", SentenceEncoder, CrossEncoder)


def shrink(
    encoder: SentenceEncoder,
    layers: Sequence[int],
    ffn_width: int | None,
    texts: Sequence[str],
    seed: int,
    vocabulary: VocabularySettings | None = None,
    listed: Sequence[str] = (),
    sharing: SharingSettings | None = None,
) -> SentenceEncoder:
    """The encoder with these layers, FFNs of this width, these tokens and shared maps; as it is if none is asked for.

    What it forgets is learned again by the training that follows.

    Args:
        layers: 0-based, rising; none: all.
        ffn_width: neurons a layer, by `ffn_importance` of kind taylor; None: all.
        texts: of the training; 512 drawn by `seed` are used for the FFNs, 4,096 for the maps, all for the vocabulary.
        vocabulary: which tokens to keep; None: all.
        listed: texts whose tokens are kept too, as `listed_texts` reads them.
        sharing: which of the kept layers share an attention map; None: each computes its own.

    Raises:
        InputError: a layer, width or grouping that the encoder does not have, a family or tokenizer that cannot be
            pruned, or layers none of which are alike enough to share.
    """
    if vocabulary is not None:
        encoder = prune_vocabulary(encoder, texts, vocabulary, listed)
    if layers:
        encoder = cut(encoder, layers)
    if ffn_width is not None:
        importance = ffn_importance(encoder, _sample(texts, SAMPLE, seed), seed=seed)
        encoder = prune_ffn(encoder, ffn_width, importance)
    if sharing is None:
        return encoder
    return shared(encoder, sharing, texts, seed)


def shared(encoder: SentenceEncoder, sharing: SharingSettings, texts: Sequence[str], seed: int) -> SentenceEncoder:
    """The encoder with shared maps: groups as they are written or chosen, heads matched where the settings say so.

    Raises:
        InputError: as `grouped`, or a grouping that the encoder cannot have.
    """
    return _shared(encoder, lambda one: one.backbone, share_attention, sharing, texts, seed)


def shared_cross_encoder(
    cross: CrossEncoder, sharing: SharingSettings, texts: Sequence[str], seed: int
) -> CrossEncoder:
    """As `shared`, of a cross-encoder."""
    return _shared(cross, lambda one: one.model, share_cross_encoder, sharing, texts, seed)


def _shared(
    whole: Whole, inner: Callable[[Whole], PreTrainedModel], share: Callable[[Whole, Groups, bool], Whole],
    sharing: SharingSettings, texts: Sequence[str], seed: int,
) -> Whole:  # fmt: skip
    groups, found = grouped(inner(whole), whole.tokenizer, whole.max_length, sharing, texts, seed)
    if found is not None and sharing.match_heads:
        whole = copy.deepcopy(whole)
        match_heads(inner(whole), groups, found.products)
    return share(whole, groups, sharing.head_scale)


def shrunk_shape(
    encoder: SentenceEncoder, layers: Sequence[int], ffn_width: int | None, sharing: SharingSettings | None = None
) -> SentenceEncoder:
    """An encoder of the shape that `shrink` gives, found without any text: its FFNs keep their first neurons.

    Groups that are to be chosen are left out, since only texts tell them.
    """
    if layers:
        encoder = cut(encoder, layers)
    if ffn_width is not None:
        encoder = prune_ffn(encoder, ffn_width, np.zeros((encoder.layers, ffn_neurons(encoder)), np.float32))
    if sharing is None or sharing.groups is None:
        return encoder
    return share_attention(encoder, sharing.groups, sharing.head_scale)


def grouped(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, max_length: int, sharing: SharingSettings,
    texts: Sequence[str], seed: int,
) -> tuple[Groups, AttentionSimilarity | None]:  # fmt: skip
    """The groups that a recipe asks for, as they are written or chosen on maps of some of the texts, and those maps.

    Maps are compared on up to 64 inputs of 128 tokens (or what the model can take), joined of 4,096 texts that `seed`
    draws; not at all where groups are written and heads stay as they are.

    Raises:
        InputError: no two layers are as alike as the threshold asks, less can be saved than is asked for, or the
            texts do not fill an input.
    """
    if sharing.groups is not None and not sharing.match_heads:
        return sharing.groups, None
    length = min(MAP_TOKENS, max_length)
    inputs = full_inputs(_sample(texts, MAP_TEXTS, seed), tokenizer, length, MAP_INPUTS)
    if sharing.groups is not None:
        kinds = getattr(model.config, "layer_types", None)
        check_groups(sharing.groups, int(model.config.num_hidden_layers), kinds)
    found = attention_similarity(model, inputs)
    groups = choose_groups(found.layers, sharing, model_cost(model), found.kinds, length)
    if not groups:
        pair = nearest_pair(found.layers, sharing, found.kinds)
        near = f"the most alike that may are {pair[1]} and {pair[1] + 1} at {pair[0]:.3f}" if pair else "none may"
        asked = THRESHOLD if sharing.threshold is None else sharing.threshold
        raise InputError(
            f"sharing: no two neighbouring layers are alike enough to share a map: {near}, and threshold is {asked:g}; "
            "lower it, free fewer layers, or write groups"
        )
    return groups, found


def _sample(texts: Sequence[str], count: int, seed: int) -> list[str]:
    return [texts[row] for row in np.random.default_rng(seed).permutation(len(texts))[:count]]
