"""What a student starts from: a model's encoder, with its tokens, layers and FFN neurons cut to those that are kept."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from students.cut import cut
from students.prune import ffn_importance, ffn_neurons, prune_ffn
from students.vocabulary import VocabularySettings, prune_vocabulary
from teachers.encoder import SentenceEncoder

SAMPLE = 512  # texts that importance is measured on


def shrink(
    encoder: SentenceEncoder,
    layers: Sequence[int],
    ffn_width: int | None,
    texts: Sequence[str],
    seed: int,
    vocabulary: VocabularySettings | None = None,
    listed: Sequence[str] = (),
) -> SentenceEncoder:
    """The encoder with these layers, FFNs of this width and these tokens; as it is where none is asked for.

    What it forgets is learned again by the training that follows.

    Args:
        layers: 0-based, rising; none: all.
        ffn_width: neurons a layer, by `ffn_importance` of kind taylor; None: all.
        texts: of the training; 512 drawn by `seed` are used for the FFNs, all for the vocabulary.
        vocabulary: which tokens to keep; None: all.
        listed: texts whose tokens are kept too, as `listed_texts` reads them.

    Raises:
        InputError: a layer or width that the encoder does not have, or a family or tokenizer that cannot be pruned.
    """
    if vocabulary is not None:
        encoder = prune_vocabulary(encoder, texts, vocabulary, listed)
    if layers:
        encoder = cut(encoder, layers)
    if ffn_width is None:
        return encoder
    rows = np.random.default_rng(seed).permutation(len(texts))[:SAMPLE]
    importance = ffn_importance(encoder, [texts[row] for row in rows], seed=seed)
    return prune_ffn(encoder, ffn_width, importance)


def shrunk_shape(encoder: SentenceEncoder, layers: Sequence[int], ffn_width: int | None) -> SentenceEncoder:
    """An encoder of the shape that `shrink` gives, found without any text: its FFNs keep their first neurons."""
    if layers:
        encoder = cut(encoder, layers)
    if ffn_width is None:
        return encoder
    return prune_ffn(encoder, ffn_width, np.zeros((encoder.layers, ffn_neurons(encoder)), np.float32))
