"""A tiny static encoder: ten words, eight numbers each."""

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from decant.models.encoder import SentenceEncoder
from decant.models.static_backbone import StaticBackbone

WORDS = ("[PAD]", "[UNK]", "the", "a", "cat", "dog", "sat", "and", "on", "mat")


def tiny_static(max_length: int = 512, width: int = 8, seed: int = 0) -> SentenceEncoder:
    """Random rows but for those of the padding and the unknown token, which are zero."""
    tokenizer = Tokenizer(models.WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", model_max_length=max_length
    )
    table = torch.randn(len(WORDS), width, generator=torch.Generator().manual_seed(seed))
    table[:2] = 0
    return SentenceEncoder(StaticBackbone.of(table), fast, "mean", max_length).eval()
