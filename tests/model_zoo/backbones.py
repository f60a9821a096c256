"""Tiny backbones with random weights, biases and norms included."""

from __future__ import annotations

from typing import Any

import torch
from transformers import AutoModel, PretrainedConfig, PreTrainedModel

HIDDEN, LAYERS, HEADS, POSITIONS = 32, 2, 4, 130

ENCODER: dict[str, Any] = {
    "hidden_size": HIDDEN,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": HEADS,
    "intermediate_size": 48,
    "max_position_embeddings": POSITIONS,
    "initializer_range": 0.2,  # so that random weights give vectors that differ from text to text
}
DECODER = ENCODER | {"num_key_value_heads": 2}


def with_noise(backbone: PreTrainedModel, generator: torch.Generator) -> PreTrainedModel:
    """The backbone in eval mode, noise on every weight: a zero bias or a norm of ones would hide that it is lost."""
    with torch.no_grad():
        for parameter in backbone.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=generator))
    return backbone.eval()


def backbone(config: PretrainedConfig, seed: int = 0, made_by: Any = AutoModel) -> PreTrainedModel:
    """A backbone of `config` in float32.

    Args:
        config: of any family.
        seed: of all its weights; the global generator is left as it was.
        made_by: the class whose `from_config` or `_from_config` makes it.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        make = made_by.from_config if hasattr(made_by, "from_config") else made_by._from_config
        return with_noise(make(config, dtype=torch.float32), torch.Generator().manual_seed(seed))
