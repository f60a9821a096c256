"""model2vec, which reads a static student's table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from model2vec import StaticModel

PACKAGES = ("model2vec", "tokenizers", "numpy")


def load(request: dict[str, Any]) -> Callable[[list[str], int], Any]:
    """The folder's model.safetensors, in one process."""
    model = StaticModel.from_pretrained(request["folder"], force_download=False)

    def encode(texts: list[str], batch_size: int) -> Any:
        return np.asarray(model.encode(texts, batch_size=batch_size, use_multiprocessing=False), np.float32)

    return encode
