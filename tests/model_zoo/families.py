"""Every family of backbone, mean pooled unless it is usually read otherwise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sentence_transformers.sentence_transformer.modules import Pooling
from transformers import PreTrainedTokenizerBase
from transformers.models.mt5 import MT5EncoderModel
from transformers.models.t5 import T5EncoderModel
from transformers.models.umt5 import UMT5EncoderModel

from tests.model_zoo.backbones import DECODER, ENCODER, HEADS, HIDDEN, LAYERS, POSITIONS
from tests.model_zoo.bases import random_model
from tests.model_zoo.byte_pairs import (
    deberta_tokenizer,
    eurobert_tokenizer,
    gemma_tokenizer,
    gpt2_tokenizer,
    llama_tokenizer,
    neox_tokenizer,
    qwen_tokenizer,
    roberta_tokenizer,
)
from tests.model_zoo.folder import save, set_keys, transformer
from tests.model_zoo.kind import Kind
from tests.model_zoo.unigrams import (
    albert_tokenizer,
    big_bird_tokenizer,
    camembert_tokenizer,
    deberta_v2_tokenizer,
    t5_tokenizer,
    xlm_roberta_tokenizer,
    xlnet_tokenizer,
)
from tests.model_zoo.word_pieces import bert_tokenizer, mpnet_tokenizer


def make(
    folder: Path,
    model_type: str,
    tokenizer: PreTrainedTokenizerBase,
    settings: dict[str, Any],
    pooling: str = "mean",
    **made_by: Any,
) -> None:
    """One backbone and a pooling.

    Args:
        folder: to write.
        model_type: as config.json names the family.
        tokenizer: its special ids go into the config.
        settings: of the config, sizes included.
        pooling: its mode.
        made_by: as `backbone` takes it.
    """
    save(
        folder,
        transformer(random_model(model_type, tokenizer, **made_by, **settings), tokenizer),
        Pooling(HIDDEN, pooling),
    )


T5 = {
    "d_model": HIDDEN, "d_kv": 8, "d_ff": 48, "num_layers": LAYERS, "num_heads": HEADS, "initializer_factor": 1.0,
    "relative_attention_num_buckets": 8, "relative_attention_max_distance": 20, "is_encoder_decoder": False,
    "use_cache": False, "vocab_size": 512,  # a longer table than the tokenizer has tokens, as all of T5 have
}  # fmt: skip
DEBERTA = {
    "relative_attention": True, "pos_att_type": ["p2c", "c2p"], "position_biased_input": False, "type_vocab_size": 0,
    "max_relative_positions": -1,
}  # fmt: skip
DEBERTA_V2 = {"position_buckets": 16, "norm_rel_ebd": "layer_norm", "share_att_key": True}
MODERNBERT = {"local_attention": 8, "global_attn_every_n_layers": 2, "num_hidden_layers": 3}
GEMMA3 = {"head_dim": 8, "query_pre_attn_scalar": 8, "sliding_window": 8, "num_hidden_layers": 3}
GEMMA3 |= {"layer_types": ["sliding_attention", "sliding_attention", "full_attention"]}
GPT2 = {"n_embd": HIDDEN, "n_layer": LAYERS, "n_head": HEADS, "n_positions": POSITIONS, "initializer_range": 0.2}
LONGFORMER = ENCODER | {"attention_window": [8, 8], "type_vocab_size": 1}
XLNET = {"d_model": HIDDEN, "n_layer": LAYERS, "n_head": HEADS, "d_inner": 48, "initializer_range": 0.2}
QWEN3 = DECODER | {"head_dim": 8}
OPT = ENCODER | {"ffn_dim": 48, "word_embed_proj_dim": HIDDEN}
PADS_FIRST = ("<pad>", "<unk>", "<s>", "</s>", "<mask>")
PADS_FOURTH = ("<s>", "</s>", "<unk>", "<pad>", "<mask>")

KINDS = (
    Kind("bert", "BERT, WordPiece, mean pooling", lambda f: make(f, "bert", bert_tokenizer(), ENCODER)),
    Kind(
        "roberta",
        "RoBERTa, padding id 1, mean pooling",
        lambda f: make(f, "roberta", roberta_tokenizer(), ENCODER | {"type_vocab_size": 1}),
    ),
    Kind(
        "roberta-padding-0",
        "RoBERTa, padding id 0, so that positions start at 1",
        lambda f: make(f, "roberta", roberta_tokenizer(PADS_FIRST), ENCODER | {"type_vocab_size": 1}),
        spoil=set_keys("config.json", pad_token_id=1),
    ),
    Kind(
        "roberta-padding-3",
        "RoBERTa, padding id 3, so that positions start at 4",
        lambda f: make(
            f, "roberta", roberta_tokenizer(PADS_FOURTH, model_max_length=120), ENCODER | {"type_vocab_size": 1}
        ),
        spoil=set_keys("config.json", pad_token_id=1),
    ),
    Kind(
        "xlm-roberta",
        "XLM-RoBERTa, Unigram, mean pooling",
        lambda f: make(f, "xlm-roberta", xlm_roberta_tokenizer(), ENCODER | {"type_vocab_size": 1}),
    ),
    Kind(
        "camembert",
        "CamemBERT, <s> 5 and <pad> 1, mean pooling",
        lambda f: make(f, "camembert", camembert_tokenizer(), ENCODER | {"type_vocab_size": 1}),
    ),
    Kind("mpnet", "MPNet, relative positions, mean pooling", lambda f: make(f, "mpnet", mpnet_tokenizer(), ENCODER)),
    Kind(
        "distilbert",
        "DistilBERT, mean pooling",
        lambda f: make(
            f,
            "distilbert",
            bert_tokenizer(),
            {
                "dim": HIDDEN,
                "n_layers": LAYERS,
                "n_heads": HEADS,
                "hidden_dim": 48,
                "initializer_range": 0.2,
                "max_position_embeddings": POSITIONS,
            },
        ),
    ),  # fmt: skip
    Kind(
        "electra",
        "ELECTRA, embeddings of 16 numbers projected to 32, mean pooling",
        lambda f: make(f, "electra", bert_tokenizer(), ENCODER | {"embedding_size": 16}),
    ),
    Kind(
        "albert",
        "ALBERT, one layer's weights used three times, embeddings of 16 numbers, mean pooling",
        lambda f: make(f, "albert", albert_tokenizer(), ENCODER | {"embedding_size": 16, "num_hidden_layers": 3}),
        spoil=set_keys("config.json", num_hidden_layers=2),
    ),
    Kind(
        "deberta",
        "DeBERTa, byte-level BPE, mean pooling",
        lambda f: make(f, "deberta", deberta_tokenizer(), ENCODER | DEBERTA),
    ),
    Kind(
        "deberta-v2",
        "DeBERTa-v2 (and v3), Unigram, mean pooling",
        lambda f: make(f, "deberta-v2", deberta_v2_tokenizer(), ENCODER | DEBERTA | DEBERTA_V2),
    ),
    Kind(
        "modernbert",
        "ModernBERT, local and global attention in turn, mean pooling",
        lambda f: make(
            f,
            "modernbert",
            bert_tokenizer(model_input_names=["input_ids", "attention_mask"]),
            ENCODER | MODERNBERT | {"cls_token_id": 2, "sep_token_id": 3},
        ),
        spoil=set_keys("config.json", local_attention=128),
    ),  # fmt: skip
    Kind(
        "nomic-bert",
        "NomicBERT, rotary positions and gates, mean pooling",
        lambda f: make(f, "nomic_bert", bert_tokenizer(), ENCODER),
    ),
    Kind(
        "eurobert",
        "EuroBERT, an encoder built as Llama is, mean pooling",
        lambda f: make(f, "eurobert", eurobert_tokenizer(), DECODER | {"mask_token_id": 3}),
    ),
    Kind(
        "jina-embeddings-v3",
        "Jina embeddings v3 without its task adapters, mean pooling",
        lambda f: make(f, "jina_embeddings_v3", xlm_roberta_tokenizer(), ENCODER),
    ),
    Kind("gte", "GTE multilingual, mean pooling", lambda f: make(f, "gte", xlm_roberta_tokenizer(), ENCODER)),
    Kind(
        "longformer",
        "Longformer, attention in a window of 8, mean pooling",
        lambda f: make(f, "longformer", roberta_tokenizer(), LONGFORMER),
    ),
    Kind(
        "big-bird",
        "BigBird with full attention, mean pooling",
        lambda f: make(f, "big_bird", big_bird_tokenizer(), ENCODER | {"attention_type": "original_full"}),
    ),
    Kind("ernie", "ERNIE, mean pooling", lambda f: make(f, "ernie", bert_tokenizer(), ENCODER)),
    Kind(
        "megatron-bert",
        "Megatron-BERT, norms before the layers, mean pooling",
        lambda f: make(f, "megatron-bert", bert_tokenizer(), ENCODER),
    ),
    Kind(
        "xlnet",
        "XLNet, <sep> and <cls> behind a text, mean pooling",
        lambda f: make(
            f,
            "xlnet",
            xlnet_tokenizer(),
            {"d_model": HIDDEN, "n_layer": LAYERS, "n_head": HEADS, "d_inner": 48, "initializer_range": 0.2},
        ),
    ),  # fmt: skip
    Kind(
        "t5",
        "the encoder of T5 alone, mean pooling",
        lambda f: make(f, "t5", t5_tokenizer(), T5, made_by=T5EncoderModel),
    ),
    Kind(
        "mt5",
        "the encoder of mT5 alone, gated layers, mean pooling",
        lambda f: make(f, "mt5", t5_tokenizer(), T5, made_by=MT5EncoderModel),
    ),
    Kind(
        "umt5",
        "the encoder of UMT5 alone, relative positions in every layer, mean pooling",
        lambda f: make(f, "umt5", t5_tokenizer(), T5, made_by=UMT5EncoderModel),
    ),
    Kind(
        "qwen2",
        "Qwen2, causal, last token, padding on the right",
        lambda f: make(f, "qwen2", qwen_tokenizer(eos=True), DECODER, "lasttoken"),
    ),
    Kind(
        "qwen3",
        "Qwen3, causal, last token, padding on the left",
        lambda f: make(
            f, "qwen3", qwen_tokenizer(eos=True, padding_side="left"), DECODER | {"head_dim": 8}, "lasttoken"
        ),
    ),
    Kind(
        "qwen3-bidirectional",
        "Qwen3 with is_causal false in its config, mean pooling",
        lambda f: make(f, "qwen3", qwen_tokenizer(eos=True), QWEN3 | {"is_causal": False}),
        spoil=set_keys("config.json", is_causal=True),
    ),
    Kind(
        "llama",
        "Llama, causal, byte fallback, mean pooling, padding on the left",
        lambda f: make(f, "llama", llama_tokenizer(), DECODER),
    ),
    Kind(
        "mistral",
        "Mistral, causal in a window of 8, <s> before and </s> behind a text, last token",
        lambda f: make(f, "mistral", llama_tokenizer(add_eos_token=True), DECODER | {"sliding_window": 8}, "lasttoken"),
        spoil=set_keys("config.json", sliding_window=64),
    ),
    Kind(
        "gemma",
        "Gemma, causal, mean pooling",
        lambda f: make(f, "gemma", gemma_tokenizer(), DECODER | {"head_dim": 8}),
    ),
    Kind(
        "gemma2",
        "Gemma 2, causal, soft-capped attention, mean pooling",
        lambda f: make(
            f,
            "gemma2",
            gemma_tokenizer(),
            DECODER | {"head_dim": 8, "query_pre_attn_scalar": 8, "sliding_window": 8, "attn_logit_softcapping": 1.0},
        ),
        spoil=set_keys("config.json", attn_logit_softcapping=50.0),
    ),  # fmt: skip
    Kind(
        "gemma3-text",
        "Gemma 3, causal, last token",
        lambda f: make(f, "gemma3_text", gemma_tokenizer(), DECODER | GEMMA3, "lasttoken"),
    ),
    Kind(
        "gemma3-text-bidirectional",
        "Gemma 3 with use_bidirectional_attention, as EmbeddingGemma, mean pooling",
        lambda f: make(
            f,
            "gemma3_text",
            gemma_tokenizer(add_eos_token=True, padding_side="right"),
            DECODER | GEMMA3 | {"use_bidirectional_attention": True},
        ),
        spoil=set_keys("config.json", use_bidirectional_attention=False),
    ),  # fmt: skip
    Kind(
        "gpt2",
        "GPT-2, causal, mean pooling, padding on the right",
        lambda f: make(f, "gpt2", gpt2_tokenizer(), GPT2),
    ),
    Kind(
        "gpt-neox",
        "GPT-NeoX, causal, parallel layers, weighted mean pooling",
        lambda f: make(f, "gpt_neox", neox_tokenizer(), ENCODER, "weightedmean"),
    ),
    Kind(
        "opt",
        "OPT, causal, positions from the mask, mean pooling, padding on the right",
        lambda f: make(f, "opt", gpt2_tokenizer(), OPT),
    ),
    Kind(
        "phi",
        "Phi, causal, part of each head rotated, mean pooling",
        lambda f: make(f, "phi", gpt2_tokenizer(), DECODER | {"partial_rotary_factor": 0.5}),
    ),
)
