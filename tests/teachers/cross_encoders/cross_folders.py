"""Tiny random cross-encoders as other programs leave them: a head for classes on every kind of body."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sentence_transformers import CrossEncoder as Reference
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    LlamaConfig,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen3Config,
)

from teachers.cross_encoders.cross_encoder import Pair
from tests.tiny_models import BACKBONES, WORDS, tiny_config, tiny_tokenizer

DECODERS: dict[str, type[PretrainedConfig]] = {"llama": LlamaConfig, "qwen2": Qwen2Config, "qwen3": Qwen3Config}
FAMILIES = [*BACKBONES, *DECODERS]
WIDE = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
WIDE |= {"max_position_embeddings": 130, "initializer_range": 0.3}
GROUPED = WIDE | {"num_key_value_heads": 2}
GPT = {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 130, "initializer_range": 0.3}
XLM = {"emb_dim": 32, "n_layers": 2, "n_heads": 4, "max_position_embeddings": 130}
QUERIES = {"head_dim": 8, "query_pre_attn_scalar": 8}
OTHERS: dict[str, dict[str, Any]] = {
    "albert": WIDE | {"embedding_size": 16},
    "biogpt": WIDE,
    "bloom": {"hidden_size": 32, "n_layer": 2, "n_head": 4, "initializer_range": 0.3},
    "camembert": WIDE,
    "ctrl": {"n_embd": 32, "n_layer": 2, "n_head": 4, "dff": 64, "n_positions": 130, "initializer_range": 0.3},
    "data2vec-text": WIDE,
    "deberta": WIDE | {"relative_attention": True, "pos_att_type": ["p2c", "c2p"], "type_vocab_size": 0},
    "ernie": WIDE,
    "esm": WIDE,
    "eurobert": GROUPED,
    "falcon": {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "initializer_range": 0.3},
    "flaubert": XLM,
    "gemma": GROUPED | {"head_dim": 8},
    "gemma2": GROUPED | QUERIES | {"sliding_window": 8},
    "gemma3_text": GROUPED | QUERIES | {"sliding_window": 8},
    "gpt2": GPT,
    "gpt_neo": {"hidden_size": 32, "num_layers": 2, "num_heads": 4, "attention_types": [[["global", "local"], 1]]}
    | {"max_position_embeddings": 130, "window_size": 8, "initializer_range": 0.3},
    "gpt_neox": WIDE,
    "gptj": GPT | {"rotary_dim": 4},
    "gte": WIDE,
    "ibert": WIDE,
    "stablelm": GROUPED,
    "starcoder2": GROUPED,
    "jina_embeddings_v3": WIDE,
    "longformer": WIDE | {"attention_window": 8},
    "luke": WIDE | {"entity_vocab_size": 8, "entity_emb_size": 16},
    "megatron-bert": WIDE,
    "mistral": GROUPED | {"head_dim": 8, "sliding_window": 8},
    "modernbert-decoder": WIDE,
    "mpt": {"d_model": 32, "n_heads": 4, "n_layers": 2, "max_seq_len": 130, "initializer_range": 0.3},
    "nomic_bert": WIDE,
    "olmo": WIDE,
    "olmo2": WIDE,
    "openai-gpt": GPT,
    "opt": WIDE | {"ffn_dim": 64, "word_embed_proj_dim": 32},
    "phi": WIDE,
    "phi3": GROUPED,
    "rembert": WIDE | {"input_embedding_size": 16, "output_embedding_size": 16},
    "roberta-prelayernorm": WIDE,
    "roformer": WIDE,
    "smollm3": GROUPED,
    "squeezebert": WIDE | {"embedding_size": 32, "q_groups": 2, "k_groups": 2, "v_groups": 2}
    | {"post_attention_groups": 1, "intermediate_groups": 2, "output_groups": 2},
    "xlm": XLM,
    "xlm-roberta-xl": WIDE,
}  # fmt: skip
TYPED = {"bert", "electra"}  # families whose tokenizers hand out token types


def classifier_config(kind: str, labels: int, **changes: Any) -> PretrainedConfig:
    """As `tiny_config`, of decoders too, with so many labels."""
    vocabulary = len(classifier_tokenizer(kind))
    if kind in OTHERS:
        own = {"vocab_size": vocabulary + 8, "pad_token_id": 1, "num_labels": labels}
        return AutoConfig.for_model(kind, **own | OTHERS[kind] | changes)
    if kind not in DECODERS:
        return tiny_config(kind, vocabulary, num_labels=labels, **changes)
    sizes: dict[str, Any] = {
        "vocab_size": vocabulary + 8, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4,
        "num_key_value_heads": 2, "head_dim": 8, "intermediate_size": 64, "max_position_embeddings": 130,
        "pad_token_id": 1, "initializer_range": 0.3, "num_labels": labels,
    }  # fmt: skip
    return DECODERS[kind](**sizes | changes)


def classifier_tokenizer(kind: str, max_length: int = 128) -> PreTrainedTokenizerFast:
    """The family's tokenizer, which states the inputs that the family has."""
    tokenizer = tiny_tokenizer("modernbert" if kind in DECODERS or kind in OTHERS else kind, max_length)
    names = ["input_ids", "token_type_ids", "attention_mask"] if kind in TYPED else ["input_ids", "attention_mask"]
    tokenizer.model_input_names = names
    return tokenizer


def classifier(kind: str, labels: int, seed: int = 0, **changes: Any) -> PreTrainedModel:
    """A random model under a head, biases and norms random too."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        config = classifier_config(kind, labels, **changes)
        model: PreTrainedModel = AutoModelForSequenceClassification.from_config(config, dtype=torch.float32)
        with torch.no_grad():
            for weight in model.parameters():
                weight.add_(0.05 * torch.randn_like(weight))
    return model.eval()


def classifier_folder(
    folder: Path, kind: str = "bert", labels: int = 1, *, config: dict[str, Any] | None = None, max_length: int = 128,
    seed: int = 0, **changes: Any,
) -> Path:  # fmt: skip
    """A folder as transformers leaves it.

    Args:
        config: keys of config.json to set afterwards; None for a value takes the key away.
        changes: fields of the model's config.
    """
    model = classifier(kind, labels, seed, **changes)
    model.save_pretrained(folder)
    classifier_tokenizer(kind, max_length).save_pretrained(folder)
    return edit_json(folder / "config.json", config or {}).parent


def edit_json(path: Path, changes: dict[str, Any]) -> Path:
    """Set keys of a JSON file; None takes one away."""
    content = (json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}) | changes
    path.write_text(json.dumps({key: value for key, value in content.items() if value is not None}), encoding="utf-8")
    return path


def reference(folder: Path, **options: Any) -> Reference:
    """sentence-transformers' own reader of a folder."""
    return Reference(str(folder), device="cpu", local_files_only=True, **options)


def forty_pairs(seed: int = 0) -> list[Pair]:
    """Pairs of 0 to 90 words a side, one of which may be empty, in both orders."""
    generator = np.random.default_rng(seed)

    def text(most: int) -> str:
        return " ".join(generator.choice(WORDS, size=int(generator.integers(0, most + 1))).tolist())

    found = [(text(12), text(12)) for _ in range(14)]
    found += [
        ("", text(9) + " cat"),
        (text(9) + " dog", ""),
        (text(90) + " end", text(3)),
        (text(4), text(90) + " end"),
    ]
    found += [(text(90) + " a", text(90) + " b"), ("A Man, a PLAN", "é ü 漢字 #!")]
    return found + [(second, first) for first, second in found]
