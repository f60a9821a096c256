"""Tiny random models of every backbone family, built in code: no download, the same weights for a seed."""

from __future__ import annotations

import string
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import AutoModel, PretrainedConfig, PreTrainedModel, PreTrainedTokenizerFast
from transformers.models.bert import BertConfig
from transformers.models.deberta_v2 import DebertaV2Config
from transformers.models.distilbert import DistilBertConfig
from transformers.models.electra import ElectraConfig
from transformers.models.modernbert import ModernBertConfig
from transformers.models.mpnet import MPNetConfig
from transformers.models.roberta import RobertaConfig
from transformers.models.xlm_roberta import XLMRobertaConfig

from decant.models.encoder import SentenceEncoder
from decant.models.pooling import PoolingKind

BACKBONES = ["bert", "roberta", "xlm-roberta", "mpnet", "distilbert", "electra", "deberta-v2", "modernbert"]
BYTE_LEVEL = {"roberta", "xlm-roberta", "modernbert"}
SPECIALS = {
    "cls": "[CLS]",
    "pad": "[PAD]",
    "sep": "[SEP]",
    "unk": "[UNK]",
    "mask": "[MASK]",
}  # ids 0..4, pad 1
WORDS = (
    "a an and at big black boy cat child dog eat girl green grass guitar house in is man market of on park "
    "plane play read red river run sit sleep small stock street the to two walk water white woman young"
).split()
PIECES = ["##ed", "##er", "##ing", "##ly"]  # "##s" is among the single characters
HIDDEN, LAYERS, HEADS, POSITIONS = 32, 4, 4, 130


def tiny_tokenizer(kind: str = "bert", max_length: int = 128) -> PreTrainedTokenizerFast:
    """A tokenizer of the family's kind: WordPiece on lower-cased words, or byte-level pieces.

    Args:
        kind: one of BACKBONES.
        max_length: `model_max_length`, in tokens.
    """
    specials = list(SPECIALS.values())
    tokenizer = _byte_level(specials) if kind in BYTE_LEVEL else _word_piece(specials)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(token, specials.index(token)) for token in ("[CLS]", "[SEP]")],
    )
    tokens = {f"{role}_token": token for role, token in SPECIALS.items()}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=max_length, **tokens)


def tiny_config(kind: str, vocab_size: int, **changes: Any) -> PretrainedConfig:
    """A config of 4 layers, 4 heads, hidden size 32 and 130 positions; `changes` override single fields."""
    sizes: dict[str, Any] = {
        "vocab_size": vocab_size,
        "hidden_size": HIDDEN,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "intermediate_size": 64,
        "max_position_embeddings": POSITIONS,
        "pad_token_id": 1,
        "initializer_range": 0.2,  # so that random weights give vectors that differ from text to text
    }
    special = {"bos_token_id": 0, "eos_token_id": 2}
    if kind == "bert":
        return BertConfig(**sizes | changes)
    if kind == "roberta":
        return RobertaConfig(**sizes | special | {"type_vocab_size": 1} | changes)
    if kind == "xlm-roberta":
        return XLMRobertaConfig(**sizes | special | {"type_vocab_size": 1} | changes)
    if kind == "mpnet":
        return MPNetConfig(**sizes | special | changes)
    if kind == "electra":
        return ElectraConfig(**sizes | {"embedding_size": 16} | changes)
    if kind == "deberta-v2":
        relative = {
            "relative_attention": True, "position_buckets": 16, "norm_rel_ebd": "layer_norm",
            "share_att_key": True, "pos_att_type": ["p2c", "c2p"], "position_biased_input": False,
            "type_vocab_size": 0, "max_relative_positions": -1,
        }  # fmt: skip
        return DebertaV2Config(**sizes | relative | changes)
    if kind == "modernbert":
        local = {
            "cls_token_id": 0, "sep_token_id": 2, "local_attention": 8, "global_attn_every_n_layers": 2,
            "reference_compile": False,
        }  # fmt: skip
        return ModernBertConfig(**sizes | special | local | changes)
    if kind == "distilbert":
        names = {"hidden_size": "dim", "num_hidden_layers": "n_layers", "num_attention_heads": "n_heads"}
        names |= {"intermediate_size": "hidden_dim"}
        return DistilBertConfig(**{names.get(key, key): value for key, value in (sizes | changes).items()})
    raise ValueError(f"no tiny model of kind {kind!r}; there are {', '.join(BACKBONES)}")


def tiny_backbone(kind: str = "bert", seed: int = 0, **changes: Any) -> PreTrainedModel:
    """A backbone in eval mode, without a pooler; all of it is random, biases and norms included."""
    config = tiny_config(kind, **{"vocab_size": len(tiny_tokenizer(kind))} | changes)
    state = torch.random.get_rng_state()
    torch.manual_seed(seed)
    try:
        extra = {} if kind in {"distilbert", "electra", "deberta-v2", "modernbert"} else {"add_pooling_layer": False}
        backbone: PreTrainedModel = AutoModel.from_config(config, dtype=torch.float32, **extra)
        with torch.no_grad():
            for parameter in backbone.parameters():
                parameter.add_(0.05 * torch.randn_like(parameter))  # zero biases would hide a lost one
    finally:
        torch.random.set_rng_state(state)
    return backbone.eval()


def tiny_encoder(
    kind: str = "bert",
    pooling: PoolingKind = "mean",
    dim: int | None = None,
    max_length: int = 128,
    seed: int = 0,
    **changes: Any,
) -> SentenceEncoder:
    """A SentenceEncoder around a tiny random backbone.

    Args:
        kind: one of BACKBONES.
        pooling: as SentenceEncoder has it.
        dim: output width; all of it, unless given.
        max_length: tokens, specials included, at most 128.
        seed: of the weights.
        changes: fields of the config, such as `num_hidden_layers=2`.
    """
    backbone = tiny_backbone(kind, seed, **changes)
    return SentenceEncoder(backbone, tiny_tokenizer(kind, max_length), pooling, max_length, dim).eval()


def tiny_backbone_folder(folder: Path, kind: str = "bert", seed: int = 0, **changes: Any) -> Path:
    """A folder `folder/kind` as a hub model has it: config.json, model.safetensors, tokenizer files."""
    target = folder / kind
    tiny_backbone(kind, seed, **changes).save_pretrained(target)
    tiny_tokenizer(kind).save_pretrained(target)
    return target


def _word_piece(specials: list[str]) -> Tokenizer:
    characters = [char for char in string.printable if not char.isspace() and not char.isupper()]
    vocabulary = [*specials, *characters, *(f"##{char}" for char in characters), *PIECES]
    vocabulary += [word for word in WORDS if word not in vocabulary]
    tokenizer = Tokenizer(models.WordPiece({piece: i for i, piece in enumerate(vocabulary)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    return tokenizer


def _byte_level(specials: list[str]) -> Tokenizer:
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = [("Ġ", letter) for letter in string.ascii_lowercase] + [
        ("Ġt", "h"),
        ("Ġth", "e"),
        ("i", "n"),
        ("in", "g"),
    ]
    vocabulary = specials + alphabet + ["".join(pair) for pair in merges]
    tokenizer = Tokenizer(models.BPE({piece: i for i, piece in enumerate(vocabulary)}, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer
