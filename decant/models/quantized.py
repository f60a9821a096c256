"""Weights of linear layers in 4 or 8 bits by bitsandbytes.

`nf4`: the 4-bit NormalFloat of QLoRA (Dettmers et al. 2023, section 3) in blocks of 64 weights, whose scales are
quantized again: 4.13 bits a weight. They are turned back into floats a layer at a time, for each product.
`int8`: LLM.int8() (Dettmers et al. 2022): one scale an output column and one a token, products in int8, but in floats
for the columns that hold an activation beyond 6. Those are looked for in the whole batch, so a text's answer depends a
little on its neighbours.

Embeddings, norms, biases and heads stay float32, and in `nf4` each layer whose inputs are not a multiple of a block:
on a CPU, bitsandbytes 0.50 takes the scales of other blocks for such a row. Both kinds compute on a CPU and on CUDA.
"""

from __future__ import annotations

import importlib.util
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from decant.errors import InputError
from decant.files import read_object
from decant.models.folder_files import CONFIG
from decant.models.reference import config_folder

if TYPE_CHECKING:  # a recipe's settings are read without them
    from torch import nn
    from transformers import BitsAndBytesConfig, PretrainedConfig

Quantize = Literal["nf4", "int8"]
PRECISIONS: dict[Quantize, str] = {"nf4": "nf4", "int8": "int8-bnb"}  # as the report names them
BLOCK = 64  # weights that share a scale in nf4
HEADS = ("classifier", "pre_classifier", "pooler", "comparator", "head", "score")
QUANTIZE, LORA = ("bitsandbytes", "accelerate"), ("peft", "accelerate")  # the packages that they take
EXTRA = "pip install 'decant[bnb]'"


def require_packages(wanted_for: str, *packages: str) -> None:
    """Check that packages of the extra `bnb` are there, without importing them, and keep them quiet from then on.

    Args:
        wanted_for: what needs them, to begin the message with.

    Raises:
        InputError: one is not.
    """
    absent = [name for name in packages if importlib.util.find_spec(name) is None]
    if absent:
        raise InputError(f"{wanted_for} needs {' and '.join(absent)}, which is not installed: {EXTRA}")
    quiet_bitsandbytes()  # which peft imports, too


def stored_kind(folder: Path) -> Quantize | None:
    """How the weights in a model folder are quantized, by its config; None where they are not.

    Raises:
        InputError: in another way than the two that Decant reads.
    """
    stated = read_object(config_folder(folder) / CONFIG).get("quantization_config")
    if not stated:
        return None
    kind = _kind(stated)
    if kind is None:
        method = stated.get("bnb_4bit_quant_type") if stated.get("load_in_4bit") else stated.get("quant_method")
        raise InputError(f"{folder}: its weights are quantized as {method}; nf4, int8 and float weights can be loaded")
    return kind


def quantized_kind(model: nn.Module) -> Quantize | None:
    """How the weights of a loaded transformers model are quantized."""
    quantizer = getattr(model, "hf_quantizer", None)
    return _kind(quantizer.quantization_config.to_dict()) if quantizer is not None else None


def precision_of(model: nn.Module) -> str:
    """What the report calls the precision of a loaded transformers model."""
    kind = quantized_kind(model)
    return PRECISIONS[kind] if kind is not None else "fp32"


def quantization(kind: Quantize, model_class: Any, config: PretrainedConfig) -> BitsAndBytesConfig:
    """What `from_pretrained` quantizes each weight by, as it reads it.

    Args:
        model_class: of transformers, for the names of its layers.

    Raises:
        InputError: the model has no linear layer that could be quantized so.
    """
    import torch
    from torch import nn
    from transformers import BitsAndBytesConfig

    with torch.device("meta"):
        modules = model_class(config).named_modules()
    widths = {name: module.in_features for name, module in modules if type(module) is nn.Linear}
    heads = [name for name in widths if in_head(name)]
    odd = [name for name, width in widths.items() if kind == "nf4" and width % BLOCK and name not in heads]
    if len(heads) + len(odd) == len(widths):
        which = f"linear layers of a multiple of {BLOCK} inputs" if odd else "linear layers"
        raise InputError(f"quantize: {kind}: this {config.model_type!r} model has no {which}; leave quantize out")
    skip = ["pooler", *heads, *odd]  # a pooler also where it is not loaded: sentence-transformers makes one
    if kind == "int8":
        return BitsAndBytesConfig(load_in_8bit=True, llm_int8_skip_modules=skip)
    return BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, llm_int8_skip_modules=skip
    )


def in_head(name: str) -> bool:
    """Whether a module or weight of this name belongs to what stands on the encoder."""
    return not set(HEADS).isdisjoint(name.split("."))


def settle(model: nn.Module, folder: Path) -> None:
    """Keep a quantized model as it was read from a folder.

    bitsandbytes would repack 4-bit weights at the first use on a processor with AVX512-BF16: in place, with scales cut
    to bfloat16, only for some widths, and without gradients from then on. Dequantized products are no slower there.

    Raises:
        InputError: another program has quantized a layer that is computed wrongly here.
    """
    modules: list[tuple[str, Any]] = list(model.named_modules())
    for name, module in modules:
        if not hasattr(module, "support_avx512bf16_for_cpu"):
            continue
        module.support_avx512bf16_for_cpu = False
        if module.in_features % BLOCK and module.weight.device.type == "cpu":
            raise InputError(
                f"{folder}: {name} holds nf4 weights of {module.in_features} inputs, which bitsandbytes computes "
                f"wrongly on a CPU where they are not a multiple of {BLOCK}; give the model it was made from"
            )


def quiet_bitsandbytes() -> None:
    """Silence bitsandbytes' own warnings: it tells at each int8 product what it always does.

    At import, on a processor with AVX512-BF16, it tells that it found no kernel on the hub, which `settle` makes
    needless. So this comes before whatever imports it.
    """
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)


def _kind(stated: dict[str, Any]) -> Quantize | None:
    if stated.get("quant_method") not in ("bitsandbytes", None):
        return None
    if stated.get("load_in_8bit"):
        return "int8"
    return "nf4" if stated.get("load_in_4bit") and stated.get("bnb_4bit_quant_type") == "nf4" else None
