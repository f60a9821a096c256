"""sentence-transformers on its torch backend."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from sentence_transformers import SentenceTransformer

PACKAGES = ("sentence-transformers", "transformers", "torch")


def load(request: dict[str, Any]) -> Callable[[list[str], int], Any]:
    """Float32 on the CPU."""
    torch.set_num_threads(request["threads"])
    model = SentenceTransformer(request["folder"], device="cpu", local_files_only=True, trust_remote_code=False)
    return lambda texts, batch_size: model.encode(texts, batch_size=batch_size, show_progress_bar=False)
