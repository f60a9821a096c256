"""A static student before it is trained: each token alone through the teacher, weighed by how rare it is.

model2vec's start (methods.md §24, with smooth inverse frequency, Arora et al. 2017): rows are centred, of unit length,
and weighed by a / (a + p).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerFast

from decant.errors import InputError
from decant.models.encoder import SentenceEncoder
from decant.models.static_backbone import StaticBackbone
from students.static.static_tokenizer import word_pieces

Floats = NDArray[np.float32]
LEAST_SPELLED = 0.5  # of a tokenizer's tokens, so that a table can start from them
COUNTED_AT_ONCE = 8192


def start_table(
    tokenizer: PreTrainedTokenizerFast, encode: Callable[[Sequence[str]], Floats], texts: Sequence[str],
    smoothing: float, basis: Floats | None = None, pieces: Mapping[int, Sequence[int]] | None = None,
) -> SentenceEncoder:  # fmt: skip
    """A static student of the tokenizer's tokens.

    Rows of special and unknown tokens are zero. A token that is no text by itself, such as part of a character, gets
    the direction of all.

    Args:
        tokenizer: as `static_tokenizer_of` makes it.
        encode: the teacher's vectors of texts, float32 [texts, width].
        texts: that the tokens' frequencies are counted in.
        smoothing: a of a / (a + p).
        pieces: number of a whole word's token → those of its pieces, whose rows are summed to its own.
        basis: float32 [width, dim], what turns the teacher's vectors into the student's; None: they are the student's.

    Raises:
        InputError: less than half of the tokens can be spelled alone.
    """
    words = pieces or {}
    spelled = {number: text for number, text in spelled_tokens(tokenizer).items() if number not in words}
    numbers = np.array(sorted(spelled), np.int64)
    found = encode([spelled[number] for number in numbers.tolist()])
    rows = found - found.mean(0)
    rows = rows if basis is None else rows @ basis
    rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    table = np.zeros((len(tokenizer), rows.shape[1]), np.float32)
    table[:] = found.mean(0) if basis is None else found.mean(0) @ basis
    table[numbers] = rows
    share = frequencies(tokenizer, texts)
    for word, parts in words.items():
        np.add.at(share, list(parts), share[word])
    table *= (smoothing / (smoothing + share))[:, None]
    table[silent_tokens(tokenizer)] = 0
    for word, parts in words.items():
        table[word] = table[list(parts)].sum(0)
    return SentenceEncoder(StaticBackbone.of(torch.from_numpy(table)), tokenizer, "mean", tokenizer.model_max_length)


def begin_learning(encoder: SentenceEncoder, words: int) -> None:
    """Let a static encoder learn: a scale a row, and whole words as their pieces and what they have beyond them.

    Args:
        words: how many whole words its tokenizer has beside its pieces.
    """
    assert encoder.static is not None
    encoder.static.learn_scales()
    encoder.static.compose(word_pieces(encoder.tokenizer, words))


def spelled_tokens(tokenizer: PreTrainedTokenizerFast) -> dict[int, str]:
    """Number of a token → the text that it stands for, of those that are one.

    Raises:
        InputError: they are less than half of all.
    """
    backend = tokenizer.backend_tokenizer
    prefix, silent = str(getattr(backend.model, "continuing_subword_prefix", None) or ""), set(silent_tokens(tokenizer))
    found = {}
    for token, number in tokenizer.get_vocab().items():
        text = token.removeprefix(prefix) if prefix else backend.decode([number], skip_special_tokens=False)
        if number not in silent and text.strip() and "\ufffd" not in text:
            found[number] = text.strip()
    if len(found) < LEAST_SPELLED * len(tokenizer):
        raise InputError(
            f"the teacher's tokenizer cannot encode single tokens: {len(found):,} of {len(tokenizer):,} are a text by "
            "themselves; take another teacher for a static student"
        )
    return found


def silent_tokens(tokenizer: PreTrainedTokenizerFast) -> list[int]:
    """Numbers of the special tokens and of the unknown one, which say nothing of a text."""
    added = tokenizer.backend_tokenizer.get_added_tokens_decoder()
    found = {number for number, token in added.items() if token.special} | {int(n) for n in tokenizer.all_special_ids}
    return sorted(found)


def frequencies(tokenizer: PreTrainedTokenizerFast, texts: Sequence[str]) -> Floats:
    """The share of each token among those of the texts, float32 [tokens]."""
    backend = tokenizer.backend_tokenizer
    backend.no_truncation()
    backend.no_padding()
    counts = np.zeros(len(tokenizer), np.int64)
    for start in range(0, len(texts), COUNTED_AT_ONCE):
        encoded = backend.encode_batch_fast(list(texts[start : start + COUNTED_AT_ONCE]), add_special_tokens=False)
        counts += np.bincount([number for one in encoded for number in one.ids], minlength=len(tokenizer))
    return (counts / max(1, counts.sum())).astype(np.float32)
