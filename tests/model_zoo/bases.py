"""First modules that many kinds share: a tiny BERT, RoBERTa and Qwen, each with its own tokenizer."""

from __future__ import annotations

from typing import Any

from sentence_transformers.base.modules import Transformer
from transformers import AutoConfig, AutoModel, PreTrainedModel, PreTrainedTokenizerBase

from tests.model_zoo.backbones import DECODER, ENCODER, backbone
from tests.model_zoo.byte_pairs import qwen_tokenizer, roberta_tokenizer
from tests.model_zoo.folder import transformer
from tests.model_zoo.word_pieces import bert_tokenizer


def random_model(
    model_type: str, tokenizer: PreTrainedTokenizerBase, made_by: Any = AutoModel, **settings: Any
) -> PreTrainedModel:
    """A backbone whose config knows the tokenizer's size and special ids.

    Args:
        model_type: as config.json names the family.
        tokenizer: whose ids it reads.
        made_by: as `backbone` takes it.
        settings: of the config, sizes included.
    """
    ids = {f"{role}_token_id": getattr(tokenizer, f"{role}_token_id") for role in ("pad", "bos", "eos")}
    return backbone(
        AutoConfig.for_model(model_type, **{"vocab_size": len(tokenizer)} | ids | settings), made_by=made_by
    )


def bert(tokenizer: PreTrainedTokenizerBase | None = None, **settings: Any) -> Transformer:
    """BERT, upper and lower case the same; `settings` as `Transformer` takes them."""
    tokenizer = bert_tokenizer() if tokenizer is None else tokenizer
    return transformer(random_model("bert", tokenizer, **ENCODER), tokenizer, **settings)


def roberta(tokenizer: PreTrainedTokenizerBase | None = None, **settings: Any) -> Transformer:
    """RoBERTa, padding id 1, byte-level BPE."""
    tokenizer = roberta_tokenizer() if tokenizer is None else tokenizer
    return transformer(random_model("roberta", tokenizer, **ENCODER, type_vocab_size=1), tokenizer, **settings)


def qwen(tokenizer: PreTrainedTokenizerBase | None = None, **settings: Any) -> Transformer:
    """Qwen3, causal, <|endoftext|> behind every text, padding on the left."""
    tokenizer = qwen_tokenizer(eos=True, padding_side="left") if tokenizer is None else tokenizer
    return transformer(random_model("qwen3", tokenizer, **DECODER, head_dim=8), tokenizer, **settings)
