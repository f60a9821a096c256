"""Unigram tokenizers, as SentencePiece makes them: XLM-RoBERTa, T5, ALBERT, XLNet and others."""

from __future__ import annotations

import struct
from typing import Any

from transformers import PreTrainedTokenizerBase
from transformers.models.albert import AlbertTokenizer
from transformers.models.big_bird import BigBirdTokenizer
from transformers.models.camembert import CamembertTokenizer
from transformers.models.deberta_v2 import DebertaV2Tokenizer
from transformers.models.t5 import T5Tokenizer
from transformers.models.xlm_roberta import XLMRobertaTokenizer
from transformers.models.xlnet import XLNetTokenizer

from tests.model_zoo.texts import DIGITS, ENDINGS, LETTERS, MARKS, OTHERS, WORDS


def unigrams(before: tuple[str, ...], behind: tuple[str, ...] = ()) -> list[tuple[str, float]]:
    """Pieces with their log probabilities; special tokens, at 0, `before` and `behind` them."""
    words = [*(f"▁{word}" for word in WORDS), *(f"▁{word.capitalize()}" for word in WORDS), *ENDINGS]
    characters = ["▁", *LETTERS, *LETTERS.upper(), *DIGITS, *MARKS, *OTHERS]
    scored = [(word, -3.0 - 0.01 * rank) for rank, word in enumerate(dict.fromkeys(words))]
    scored += [(character, -9.0 - 0.01 * rank) for rank, character in enumerate(dict.fromkeys(characters))]
    return [*((token, 0.0) for token in before), *scored, *((token, 0.0) for token in behind)]


def charsmap(rewritten: dict[str, str]) -> bytes:
    """SentencePiece's compiled normalizer: a double-array trie of what is rewritten, then what it is rewritten to.

    Source: Darts-clone's units of 32 bits: a label in bits 0 to 7, "has a value" in bit 8, an offset from bit 10; a
    node's children lie in a block of 256 units of its own here, at its number times 256, each at its label.
    """
    texts, places = b"", {}
    for key, value in rewritten.items():
        places[key.encode()] = len(texts)
        texts += value.encode() + b"\0"
    nodes = sorted({key[:end] for key in places for end in range(len(key) + 1)})
    block = {node: 256 * (index + 1) for index, node in enumerate(nodes)}
    units = [0] * (256 * (len(nodes) + 1))
    units[0] = block[b""] << 10
    for node in nodes:
        if node:
            at = block[node[:-1]] ^ node[-1]
            units[at] = node[-1] | (node in places) << 8 | (at ^ block[node]) << 10
        if node in places:
            units[block[node]] = places[node] | 1 << 31
    return struct.pack(f"<I{len(units)}I", 4 * len(units), *units) + texts


def xlm_roberta_tokenizer(**settings: Any) -> PreTrainedTokenizerBase:
    """XLM-RoBERTa's: <s> 0, <pad> 1, </s> 2, <unk> 3, the mask last."""
    vocabulary = unigrams(("<s>", "<pad>", "</s>", "<unk>"), ("<mask>",))
    return XLMRobertaTokenizer(vocab=vocabulary, **{"model_max_length": 128} | settings)


def camembert_tokenizer(**settings: Any) -> PreTrainedTokenizerBase:
    """CamemBERT's: fairseq's special tokens before SentencePiece's own, so that <s> is 5 and <pad> 1."""
    vocabulary = unigrams(("<s>NOTUSED", "<pad>", "</s>NOTUSED", "<unk>", "<unk>NOTUSED", "<s>", "</s>"), ("<mask>",))
    return CamembertTokenizer(vocab=vocabulary, **{"model_max_length": 128} | settings)


def albert_tokenizer(**settings: Any) -> PreTrainedTokenizerBase:
    """ALBERT's: lower case, no accents, between [CLS] and [SEP]."""
    vocabulary = unigrams(("<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]"))
    return AlbertTokenizer(vocab=vocabulary, **{"model_max_length": 128} | settings)


def big_bird_tokenizer(**settings: Any) -> PreTrainedTokenizerBase:
    """BigBird's: spaces split nothing, so a piece may run over words."""
    vocabulary = unigrams(("<pad>", "</s>", "<s>", "<unk>", "[CLS]", "[SEP]", "[MASK]"))
    return BigBirdTokenizer(vocab=vocabulary, **{"model_max_length": 128} | settings)


def deberta_v2_tokenizer(**settings: Any) -> PreTrainedTokenizerBase:
    """DeBERTa-v2's and -v3's: [PAD] 0, [CLS] 1, [SEP] 2, [UNK] 3."""
    vocabulary = unigrams(("[PAD]", "[CLS]", "[SEP]", "[UNK]"), ("[MASK]",))
    return DebertaV2Tokenizer(vocab=vocabulary, **{"model_max_length": 128} | settings)


def t5_tokenizer(**settings: Any) -> PreTrainedTokenizerBase:
    """T5's: </s> behind a text, nothing before it; 100 sentinels at the end of the vocabulary."""
    sentinels = tuple(f"<extra_id_{index}>" for index in range(99, -1, -1))
    vocabulary = unigrams(("<pad>", "</s>", "<unk>"), sentinels)
    return T5Tokenizer(vocab=vocabulary, **{"model_max_length": 128} | settings)


def xlnet_tokenizer(**settings: Any) -> PreTrainedTokenizerBase:
    """XLNet's: <sep> and <cls> behind a text, padding (of segment 3) before it."""
    vocabulary = unigrams(("<unk>", "<s>", "</s>", "<cls>", "<sep>", "<pad>", "<mask>", "<eod>", "<eop>"))
    settings = {"model_max_length": 128, "padding_side": "left"} | settings
    return XLNetTokenizer(vocab=vocabulary, **settings)
