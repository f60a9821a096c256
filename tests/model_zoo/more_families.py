"""Families that are read seldom: each with the tokenizer of a kindred one."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from tests.model_zoo.backbones import DECODER, ENCODER, HEADS, HIDDEN, LAYERS
from tests.model_zoo.byte_pairs import llama_tokenizer, neox_tokenizer, roberta_tokenizer
from tests.model_zoo.families import make
from tests.model_zoo.kind import Kind
from tests.model_zoo.unigrams import xlm_roberta_tokenizer
from tests.model_zoo.word_pieces import bert_tokenizer

BLOOM = {"hidden_size": HIDDEN, "n_layer": LAYERS, "n_head": HEADS, "initializer_range": 0.2}
ONE_TYPE = {"type_vocab_size": 1}


def _made(folder: Path, *, family: str, tokenizer: Any, settings: dict[str, Any]) -> None:
    make(folder, family, tokenizer(), settings)


def _kind(name: str, what: str, tokenizer: Any, settings: dict[str, Any], family: str | None = None) -> Kind:
    build = partial(_made, family=family or name, tokenizer=tokenizer, settings=settings)
    return Kind(name, f"{what}, mean pooling", build)


KINDS = (
    _kind("bloom", "BLOOM, causal, a bias by distance in place of positions", neox_tokenizer, BLOOM),
    _kind("data2vec-text", "data2vec for texts, a RoBERTa", roberta_tokenizer, ENCODER | ONE_TYPE),
    _kind("olmo2", "OLMo 2, causal, norms behind the layers", llama_tokenizer, DECODER),
    _kind("phi3", "Phi-3, causal, one matrix for queries, keys and values", llama_tokenizer, DECODER),
    _kind("rembert", "RemBERT, embeddings of 16 numbers", bert_tokenizer, ENCODER | {"input_embedding_size": 16}),
    _kind("roberta-prelayernorm", "RoBERTa with norms before the layers", roberta_tokenizer, ENCODER | ONE_TYPE),
    _kind("roformer", "RoFormer, rotary positions", bert_tokenizer, ENCODER | {"embedding_size": HIDDEN}),
    _kind("smollm3", "SmolLM3, causal, no positions in every fourth layer", llama_tokenizer, DECODER),
    _kind("xlm-roberta-xl", "XLM-RoBERTa XL, norms before the layers", xlm_roberta_tokenizer, ENCODER | ONE_TYPE),
    _kind("granite", "Granite, causal", llama_tokenizer, DECODER),
    _kind("stablelm", "StableLM, causal", llama_tokenizer, DECODER),
    _kind("starcoder2", "StarCoder 2, causal", llama_tokenizer, DECODER),
)
