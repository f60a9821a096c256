"""A transformers model as a folder; one whose layers share attention maps so that no plain loader takes it for another.

Auto classes refuse it by its model type. A class that is named by hand would only warn, and fill in random queries and
keys: so each of them that a follower lacks stands in the file with no rows, a size that such a class refuses.
"""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load, save_file
from torch import Tensor
from transformers import PreTrainedModel

from decant.files import read_object, write_json
from decant.models.folder_files import CONFIG, WEIGHTS
from decant.models.shared_attention import FollowerAttention
from decant.models.shared_config import PREFIX, shared_attention


def save_model(model: PreTrainedModel, folder: Path) -> None:
    """Safetensors and config.json; of our own type where layers share maps."""
    model.save_pretrained(folder)
    if not shared_attention(model.config).groups:
        return
    path = folder / CONFIG
    stated = read_object(path)
    stated["model_type"] = PREFIX + stated["model_type"]
    write_json(path, stated, ascii_only=True)
    weights = load((folder / WEIGHTS).read_bytes())  # not mapped, since the file is written anew
    save_file(weights | _absent(model), folder / WEIGHTS, {"format": "pt"})


def _absent(model: PreTrainedModel) -> dict[str, Tensor]:
    """Weights of the queries and keys that followers lack, float32 [0, 1], by the names that the family gives them."""
    return {
        f"{name}.{part}.weight": torch.zeros(0, 1)
        for name, module in model.named_modules()
        if isinstance(module, FollowerAttention)
        for part in module.names.map_only
        if not part.endswith("_norm")
    }
