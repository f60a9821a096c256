"""What sentence_bert_config.json and config_sentence_transformers.json may say of a model besides its modules."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from sentence_transformers.base.modules import Normalize
from sentence_transformers.sentence_transformer.modules import Pooling

from tests.model_zoo.backbones import HIDDEN
from tests.model_zoo.bases import bert, qwen, roberta
from tests.model_zoo.folder import save, set_keys
from tests.model_zoo.kind import Build, Kind
from tests.model_zoo.word_pieces import bert_tokenizer

BERT_CONFIG, MODEL_CONFIG = "sentence_bert_config.json", "config_sentence_transformers.json"
POOLER = {"text": {"method": "forward", "method_output_name": "pooler_output"}}
FIRST_LAYER = {"text": {"method": "forward", "method_output_name": ["hidden_states", 1]}}
LAST_LAYER = {"text": {"method": "forward", "method_output_name": "last_hidden_state"}}


def edited(name: str, tokenizer: Callable[[], Any] = bert_tokenizer, **values: Any) -> Build:
    """BERT and mean pooling; then keys of the JSON file `name` are set, as older versions or people wrote them."""

    def build(folder: Path) -> None:
        save(folder, bert(tokenizer()), Pooling(HIDDEN))
        set_keys(name, **values)(folder)

    return build


def plain(first: Callable[[], Any], *modules: Callable[[], Any], **settings: Any) -> Build:
    return lambda folder: save(folder, first(), Pooling(HIDDEN), *(module() for module in modules), **settings)


def pooler_of_zeros(folder: Path) -> None:
    """Leaves nothing of the pooler but a bias of one: every text has the same vector."""
    weights = load_file(folder / "model.safetensors")
    weights["pooler.dense.weight"] = torch.zeros_like(weights["pooler.dense.weight"])
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def cased() -> Any:
    return bert_tokenizer(cased=True)


def short() -> Any:
    return bert_tokenizer(model_max_length=10)


KINDS = (
    Kind(
        "max-seq-length",
        "BERT, max_seq_length 12 in sentence_bert_config.json, 128 in the tokenizer's",
        edited(BERT_CONFIG, max_seq_length=12),
        set_keys(BERT_CONFIG, max_seq_length=None),
    ),
    Kind(
        "max-seq-length-above-tokenizer",
        "BERT, max_seq_length 40 in sentence_bert_config.json goes before the tokenizer's 10",
        edited(BERT_CONFIG, short, max_seq_length=40),
        set_keys(BERT_CONFIG, max_seq_length=None),
    ),
    Kind(
        "max-length-of-tokenizer",
        "BERT, model_max_length 10 in the tokenizer's config alone",
        plain(lambda: bert(short())),
        set_keys("tokenizer_config.json", model_max_length=128),
    ),
    Kind(
        "max-length-of-positions",
        "BERT, no length said: as many tokens as there are positions, 130",
        plain(lambda: bert(bert_tokenizer(model_max_length=10**30))),
        set_keys("tokenizer_config.json", model_max_length=100),
    ),
    Kind(
        "do-lower-case",
        "BERT, a cased tokenizer, do_lower_case in sentence_bert_config.json",
        edited(BERT_CONFIG, cased, do_lower_case=True),
        set_keys(BERT_CONFIG, do_lower_case=False),
    ),
    Kind(
        "do-lower-case-false",
        "BERT, a tokenizer that lower-cases, do_lower_case false in sentence_bert_config.json: it still does",
        edited(BERT_CONFIG, do_lower_case=False),
        set_keys("tokenizer_config.json", do_lower_case=False),
    ),
    Kind(
        "do-lower-case-byte-level",
        "RoBERTa, byte-level BPE without a normalizer, do_lower_case in sentence_bert_config.json",
        lambda folder: (
            save(folder, roberta(), Pooling(HIDDEN)),
            set_keys(BERT_CONFIG, do_lower_case=True)(folder),
        )[-1],
        set_keys(BERT_CONFIG, do_lower_case=False),
    ),
    Kind(
        "tokenizer-args",
        "BERT, tokenizer_args (the old name) with a length and lower case in sentence_bert_config.json",
        edited(BERT_CONFIG, cased, tokenizer_args={"model_max_length": 14, "do_lower_case": True}),
        set_keys(BERT_CONFIG, tokenizer_args=None),
    ),
    Kind(
        "processor-kwargs",
        "BERT, processor_kwargs (the new name) that cut a text's beginning, not its end",
        edited(BERT_CONFIG, processor_kwargs={"model_max_length": 14, "truncation_side": "left"}),
        set_keys(BERT_CONFIG, processor_kwargs=None),
    ),
    Kind(
        "config-args",
        "BERT, config_args in sentence_bert_config.json that leave out the last layer",
        edited(BERT_CONFIG, config_args={"num_hidden_layers": 1}),
        set_keys(BERT_CONFIG, config_args=None),
    ),
    Kind(
        "model-args",
        "BERT, model_args in sentence_bert_config.json that say how attention is computed: nothing changes",
        edited(BERT_CONFIG, model_args={"attn_implementation": "eager", "add_pooling_layer": False}),
    ),
    Kind(
        "processing-kwargs",
        "BERT, processing_kwargs of 9 tokens a text without special tokens",
        plain(lambda: bert(processing_kwargs={"text": {"max_length": 9, "add_special_tokens": False}})),
        set_keys(BERT_CONFIG, processing_kwargs=None),
    ),
    Kind(
        "query-length",
        "BERT, at most 6 tokens of a query and 20 of a document",
        plain(lambda: bert(query_length=6, document_length=20)),
        set_keys(BERT_CONFIG, query_length=None, document_length=None),
        tasks=(None, "query", "document"),
    ),
    Kind(
        "unpad-inputs",
        "BERT, unpad_inputs false: nothing changes",
        plain(lambda: bert(unpad_inputs=False)),
    ),
    Kind(
        "pooler",
        "BERT, the pooler's output itself, no pooling module",
        lambda folder: save(folder, bert(modality_config=POOLER, module_output_name="sentence_embedding"), Normalize()),
        pooler_of_zeros,
    ),
    Kind(
        "hidden-layer",
        "BERT, the token vectors behind its first layer, then mean",
        plain(lambda: bert(modality_config=FIRST_LAYER, module_output_name="token_embeddings")),
        set_keys(BERT_CONFIG, modality_config=LAST_LAYER),
    ),
    *(
        Kind(
            f"similarity-{name}",
            f"BERT, mean, vectors that are compared by {name}",
            plain(bert, similarity_fn_name=name),
        )
        for name in ("cosine", "dot", "euclidean", "manhattan")
    ),
    Kind(
        "truncate-dim",
        "BERT, mean, Normalize, truncate_dim 20: cut behind Normalize, so not of unit length",
        plain(bert, Normalize, truncate_dim=20),
        set_keys(MODEL_CONFIG, truncate_dim=None),
    ),
    Kind(
        "prompts-without-default",
        "BERT, prompts for queries and documents; encode itself uses none",
        plain(bert, prompts={"query": "query: ", "document": "passage: "}),
        set_keys(MODEL_CONFIG, prompts={}),
        tasks=(None, "query", "document"),
    ),
    Kind(
        "prompt-passage",
        "BERT, prompts named query and passage, as E5's: encode_document uses none, since document is there and empty",
        plain(bert, prompts={"query": "query: ", "passage": "passage: "}),
        set_keys(MODEL_CONFIG, prompts={"query": "", "document": "passage: "}),
        tasks=(None, "query", "document"),
    ),
    Kind(
        "prompt-default",
        "BERT, a default prompt",
        plain(bert, prompts={"task": "search query: "}, default_prompt_name="task"),
        set_keys(MODEL_CONFIG, default_prompt_name=None),
        tasks=(None, "query", "document"),
    ),
    Kind(
        "prompt-default-query",
        "Qwen3, a default prompt that is the queries', none for documents",
        plain(qwen, prompts={"query": "Query:", "document": ""}, default_prompt_name="query"),
        set_keys(MODEL_CONFIG, default_prompt_name=None),
        tasks=(None, "query", "document"),
    ),
    Kind(
        "prompt-without-space",
        "RoBERTa, a prompt that ends without a space, so that it and the text share a token",
        plain(roberta, prompts={"task": "stock mark"}, default_prompt_name="task"),
        set_keys(MODEL_CONFIG, prompts={"task": "stock mark "}),
    ),
    Kind(
        "prompt-with-special-tokens",
        "BERT, a prompt with a special token in it",
        plain(bert, prompts={"task": "find [SEP] "}, default_prompt_name="task"),
        set_keys(MODEL_CONFIG, prompts={"task": "find "}),
    ),
    Kind(
        "prompt-and-short-texts",
        "BERT, a prompt of which and of a text 12 tokens are read in all",
        plain(
            lambda: bert(bert_tokenizer(model_max_length=12)),
            prompts={"task": "represent the sentence for searching: "},
            default_prompt_name="task",
        ),
        set_keys("tokenizer_config.json", model_max_length=128),
    ),
    Kind(
        "prompt-of-null",
        "BERT, a default prompt that is null: none",
        edited(MODEL_CONFIG, prompts={"query": None, "document": "text: "}, default_prompt_name="query"),
        set_keys(MODEL_CONFIG, default_prompt_name="document"),
        tasks=(None, "query", "document"),
    ),
)
