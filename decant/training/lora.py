"""LoRA: two thin matrices beside each linear layer are trained in its place (Hu et al. 2021), here by peft.

With W frozen, of a layer's output W·x + (alpha / rank)·B·A·x only A [rank, in] and B [out, rank] get gradients and
Adam's moments. W may be quantized too (QLoRA, Dettmers et al. 2023). A head is trained whole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from pydantic import BaseModel, Field, model_validator

from decant.errors import InputError
from decant.models.quantized import LORA, Quantize, in_head, quantized_kind, require_packages
from decant.training.optimizer import FitSettings

if TYPE_CHECKING:  # a recipe's settings are read without them
    from torch import nn
    from transformers import PreTrainedModel

ADAPTER = "default"


class LoraSettings(BaseModel, frozen=True, extra="forbid"):
    """The adapters' shape."""

    rank: int = Field(16, ge=1, le=1024, description="width of each adapter")
    alpha: int = Field(32, ge=1, le=4096, description="its output is multiplied by alpha / rank")
    dropout: float = Field(0.05, ge=0, lt=1, description="on an adapter's input while training")


class AdapterSettings(FitSettings, frozen=True, extra="forbid"):
    """Fine-tuning that may leave the model's weights alone and train adapters beside them."""

    lora: LoraSettings | None = Field(None, description="train adapters and the head only; default: every weight")
    quantize: Quantize | None = Field(
        None, description="with lora: hold the frozen weights in 4 bits (nf4) or 8 (int8) by bitsandbytes meanwhile"
    )

    @model_validator(mode="after")
    def _adapters_where_quantized(self) -> AdapterSettings:
        if self.quantize is not None and self.lora is None:
            raise ValueError(
                "quantize: quantized weights cannot be trained themselves; give lora too, such as lora: {}"
            )
        return self


def add_lora(model: PreTrainedModel, settings: LoraSettings, seed: int) -> None:
    """Put an adapter beside each linear layer of the encoder and freeze all else but the head, in place.

    At first the model answers as before, since each B is zero.

    Args:
        model: of float or quantized weights.
        seed: of each A.

    Raises:
        InputError: peft or accelerate is not installed, or the encoder has no linear layer.
    """
    require_packages("lora", *LORA)
    import peft
    import torch
    from torch import nn

    linear = [name for name, one in model.named_modules() if isinstance(one, nn.Linear) and not in_head(name)]
    if not linear:
        raise InputError(f"lora: a {model.config.model_type!r} model has no linear layers to adapt; leave lora out")
    torch.manual_seed(seed)
    config = peft.LoraConfig(
        r=settings.rank, lora_alpha=settings.alpha, lora_dropout=settings.dropout, target_modules=linear
    )
    peft.inject_adapter_in_model(config, model, ADAPTER)
    for name, weight in model.named_parameters():
        if in_head(name):
            weight.requires_grad_(True)


def merge_lora(model: PreTrainedModel) -> PreTrainedModel:
    """The model with its adapters added to its weights: plain float32, as any program saves, loads and exports it.

    Quantized weights become the floats that they stand for, all of them, so this is when the memory of a whole float32
    model is needed. After `nf4` it answers as it did with adapters, up to rounding; after `int8` nearly so, because
    LLM.int8() rounds the activations as well.

    Args:
        model: by `add_lora`; not to be used any more.
    """
    import torch
    from peft.tuners.lora import LoraLayer

    from decant.models.backbone import quiet_transformers

    adapted: dict[str, Any] = {name: module for name, module in model.named_modules() if isinstance(module, LoraLayer)}
    changes = {name: layer.get_delta_weight(ADAPTER).detach() for name, layer in adapted.items()}
    for name, layer in adapted.items():
        model.set_submodule(name, layer.get_base_layer())
    del model.peft_config
    if quantized_kind(model) is not None:
        with quiet_transformers():
            model = model.dequantize(dtype=torch.float32)
    for name, change in changes.items():
        cast("nn.Linear", model.get_submodule(name)).weight.data += change
    return model.requires_grad_(True)
