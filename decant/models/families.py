"""The transformer families that Decant follows, and what each needs to be told apart from the others.

A family is here because a test holds its vectors to sentence-transformers', alone and beside longer texts. Of others it
is not known whether padding changes their vectors, where their layers end, or how many positions they have: they are
refused by their name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from transformers import PretrainedConfig, PreTrainedModel

from decant.errors import InputError

Positions = Literal["table", "after padding", "relative"]


@dataclass(frozen=True)
class Family:
    """How one family of models is read.

    Args:
        positions: a table of so many places; one that begins after the padding token's id; or none, so that the stated
            length is the author's word and no bound.
        final_norm: the norm after the last layer, by its name in the backbone; None: the layers end in their own.
        encoder: the class that is the encoder alone, where the family's other one has a decoder too.
        learns: whether a student can start from it: layer by layer, as an ONNX graph.
        why_not: what keeps a student from starting from it, where one cannot.
        first_layer: why the first layer cannot be left out; None: it can.
    """

    positions: Positions = "table"
    final_norm: str | None = None
    encoder: str | None = None
    learns: bool = True
    why_not: str = ""
    first_layer: str | None = None


BERT = Family()
ROBERTA = Family("after padding")
DECODER = Family("relative", "norm")
T5 = "its layers take their positions from the first one"
FAMILIES: dict[str, Family] = {
    "albert": Family(learns=False, why_not="its layers are one and the same"),
    "bert": BERT,
    "bloom": Family("relative", "ln_f"),
    "camembert": ROBERTA,
    "data2vec-text": ROBERTA,
    "deberta": BERT,
    "deberta-v2": BERT,
    "distilbert": BERT,
    "electra": BERT,
    "ernie": BERT,
    "eurobert": DECODER,
    "gemma": DECODER,
    "gemma2": DECODER,
    "gemma3_text": DECODER,
    "gpt2": Family("table", "ln_f"),
    "gpt_neox": Family("relative", "final_layer_norm"),
    "granite": DECODER,
    "gte": Family("relative"),
    "jina_embeddings_v3": Family("relative"),
    "llama": DECODER,
    "longformer": Family("after padding", learns=False, why_not="its windows of attention have no ONNX graph"),
    "megatron-bert": Family("table", "encoder.ln"),
    "mistral": DECODER,
    "modernbert": Family("relative", "final_norm", first_layer="ModernBERT's first layer has no norm of its own"),
    "mpnet": ROBERTA,
    "mt5": Family("relative", "encoder.final_layer_norm", "MT5EncoderModel", first_layer=T5),
    "nomic_bert": Family("relative"),
    "olmo2": DECODER,
    "opt": Family("table", "decoder.final_layer_norm"),
    "phi": Family("relative", "final_layernorm"),
    "phi3": DECODER,
    "qwen2": DECODER,
    "qwen3": DECODER,
    "rembert": BERT,
    "roberta": ROBERTA,
    "roberta-prelayernorm": Family("after padding", "LayerNorm"),
    "roformer": BERT,
    "smollm3": DECODER,
    "stablelm": DECODER,
    "starcoder2": DECODER,
    "t5": Family("relative", "encoder.final_layer_norm", "T5EncoderModel", first_layer=T5),
    "umt5": Family("relative", "encoder.final_layer_norm", "UMT5EncoderModel"),
    "xlm-roberta": ROBERTA,
    "xlm-roberta-xl": Family("after padding", "encoder.LayerNorm"),
}
MPNET_PADDING = 1  # which its code counts from, whatever its config says
OTHER_KINDS = {
    "clip": "a model of images and texts",
    "vit": "an image model",
    "siglip": "a model of images and texts",
    "whisper": "a speech model",
    "wav2vec2": "a speech model",
}


def family_of(config: PretrainedConfig) -> Family:
    """How the family of a config is read.

    Raises:
        InputError: it is not among those that are followed, or has a decoder that nothing here would use.
    """
    kind = str(config.model_type)
    if kind in FAMILIES:
        return FAMILIES[kind]
    said = OTHER_KINDS.get(kind)
    if said is None and getattr(config, "is_encoder_decoder", False):
        said = "an encoder-decoder"
    what = f"model type {kind!r} is {said}" if said else f"model type {kind!r} is not among those that are followed"
    raise InputError(f"{what}; {', '.join(FAMILIES)} are followed")


def longest_input(config: PretrainedConfig) -> int | None:
    """The tokens of the longest text that the table of positions holds; None where there is no table."""
    stated = getattr(config, "max_position_embeddings", None)
    positions = FAMILIES[config.model_type].positions if config.model_type in FAMILIES else "table"
    if positions == "relative" or not isinstance(stated, int) or stated < 1:
        return None
    if positions == "table":
        return stated
    padding = MPNET_PADDING if config.model_type == "mpnet" else int(getattr(config, "pad_token_id", None) or 0)
    return stated - padding - 1


def final_norm(backbone: PreTrainedModel) -> object | None:
    """The module that norms what leaves the last layer, and only that; None where there is none."""
    name = FAMILIES[backbone.config.model_type].final_norm if backbone.config.model_type in FAMILIES else None
    return backbone.get_submodule(name) if name is not None else None
