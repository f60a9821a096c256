"""Byte-level BPE tokenizers (RoBERTa, GPT-2, Qwen) and BPE that falls back to bytes (Llama, Gemma)."""

from __future__ import annotations

from typing import Any

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast
from transformers.models.deberta import DebertaTokenizer
from transformers.models.gemma import GemmaTokenizer
from transformers.models.gpt2 import GPT2Tokenizer
from transformers.models.gpt_neox import GPTNeoXTokenizer
from transformers.models.llama import LlamaTokenizer
from transformers.models.qwen2 import Qwen2Tokenizer
from transformers.models.roberta import RobertaTokenizer

from tests.model_zoo.texts import DIGITS, LETTERS, MARKS, OTHERS, WORDS

SPACE, LOW_LINE = "Ġ", "▁"  # how a space is written in a byte-level vocabulary and in one with a fallback
ROBERTA_SPECIALS = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")
DEBERTA_SPECIALS = ("[CLS]", "[PAD]", "[SEP]", "[UNK]", "[MASK]")
GEMMA_SPECIALS = ("<pad>", "<eos>", "<bos>", "<unk>", "<mask>")
LLAMA_SPECIALS = ("<unk>", "<s>", "</s>")


def merges_of(words: list[str], first: str) -> list[tuple[str, str]]:
    """Merges that build every word from the left, letter by letter, with and without `first` (a space) before it."""
    pairs: dict[tuple[str, str], None] = {}
    for word in (*(first + word for word in words), *words):
        for end in range(1, len(word)):
            pairs[word[:end], word[end]] = None
    return sorted(pairs, key=lambda pair: len(pair[0]))  # the short ones first: no merge before those it is made of


def byte_level(specials: tuple[str, ...], cased: bool = False) -> dict[str, Any]:
    """`vocab` and `merges` over the 256 bytes."""
    words = [*WORDS, *(word.capitalize() for word in WORDS if cased)]
    merges = merges_of(words, SPACE)
    pieces = [*specials, *sorted(pre_tokenizers.ByteLevel.alphabet()), *("".join(pair) for pair in merges)]
    return {"vocab": {piece: index for index, piece in enumerate(dict.fromkeys(pieces))}, "merges": merges}


def with_fallback(specials: tuple[str, ...]) -> dict[str, Any]:
    """`vocab` and `merges` over characters, with the 256 bytes as <0x00> to <0xFF> for all others."""
    merges = merges_of(WORDS, LOW_LINE)
    bytes_ = [f"<0x{byte:02X}>" for byte in range(256)]
    characters = [LOW_LINE, *LETTERS, *LETTERS.upper(), *DIGITS, *MARKS, *OTHERS]
    pieces = [*specials, *bytes_, *characters, *("".join(pair) for pair in merges)]
    return {"vocab": {piece: index for index, piece in enumerate(dict.fromkeys(pieces))}, "merges": merges}


def roberta_tokenizer(specials: tuple[str, ...] = ROBERTA_SPECIALS, **settings: Any) -> PreTrainedTokenizerBase:
    """RoBERTa's: between <s> and </s>; the place of <pad> among `specials` is its id."""
    return RobertaTokenizer(**byte_level(specials), **{"model_max_length": 128} | settings)


def deberta_tokenizer(**settings: Any) -> PreTrainedTokenizerBase:
    """DeBERTa's (the first): between [CLS] and [SEP], with token_type_ids."""
    return DebertaTokenizer(**byte_level(DEBERTA_SPECIALS), **{"model_max_length": 128} | settings)


def eurobert_tokenizer(**settings: Any) -> PreTrainedTokenizerBase:
    """EuroBERT's: of no class of its own, so that tokenizer.json alone says all; a token before and behind a text."""
    specials = ("<|begin_of_text|>", "<|end_of_text|>", "<|pad|>", "<|mask|>")
    tokenizer = Tokenizer(models.BPE(**byte_level(specials)))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<|begin_of_text|> $A <|end_of_text|>",
        pair="<|begin_of_text|> $A <|end_of_text|> $B <|end_of_text|>",
        special_tokens=[("<|begin_of_text|>", 0), ("<|end_of_text|>", 1)],
    )
    roles = {"bos_token": specials[0], "eos_token": specials[1], "pad_token": specials[2], "mask_token": specials[3]}
    settings = {"model_max_length": 128, "model_input_names": ["input_ids", "attention_mask"]} | roles | settings
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **settings)


def gpt2_tokenizer(**settings: Any) -> PreTrainedTokenizerBase:
    """GPT-2's: no special token around a text; <|endoftext|> stands in for padding, on the right."""
    settings = {"model_max_length": 128, "pad_token": "<|endoftext|>"} | settings
    return GPT2Tokenizer(**byte_level(("<|endoftext|>",)), **settings)


def neox_tokenizer(**settings: Any) -> PreTrainedTokenizerBase:
    """GPT-NeoX's: no special token around a text; a padding token of its own."""
    return GPTNeoXTokenizer(**byte_level(("<|endoftext|>", "<|padding|>")), **{"model_max_length": 128} | settings)


def qwen_tokenizer(eos: bool = False, **settings: Any) -> PreTrainedTokenizerBase:
    """Qwen's: <|endoftext|> pads; `eos` puts it behind every text, as Qwen3-Embedding's tokenizer does."""
    specials = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
    settings = {"model_max_length": 128, "eos_token": "<|im_end|>"} | settings
    tokenizer = Qwen2Tokenizer(**byte_level(specials), **settings)
    if eos:
        tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
            single="$A:0 <|endoftext|>:0",
            pair="$A:0 <|endoftext|>:0 $B:1 <|endoftext|>:1",
            special_tokens=[("<|endoftext|>", 0)],
        )
    return tokenizer


def llama_tokenizer(**settings: Any) -> PreTrainedTokenizerBase:
    """Llama's and Mistral's: <s> before a text, nothing behind it, </s> pads on the left."""
    settings = {"model_max_length": 128, "pad_token": "</s>", "add_bos_token": True} | settings
    return LlamaTokenizer(**with_fallback(LLAMA_SPECIALS), **settings)


def gemma_tokenizer(**settings: Any) -> PreTrainedTokenizerBase:
    """Gemma's: <bos> before a text, <eos> behind it where `add_eos_token`; pads on the left."""
    settings = {"model_max_length": 128, "add_bos_token": True} | settings
    return GemmaTokenizer(**with_fallback(GEMMA_SPECIALS), **settings)
