"""sentence-transformers on its torch backend."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from sentence_transformers import SentenceTransformer

PACKAGES = ("sentence-transformers", "transformers", "torch")
PROMPTS = True  # it is told of a prompt by its name


def load(request: dict[str, Any]) -> Callable[..., Any]:
    """Float32 on the CPU."""
    torch.set_num_threads(request["threads"])
    model = SentenceTransformer(request["folder"], device="cpu", local_files_only=True, trust_remote_code=False)

    def encode(texts: list[str], batch_size: int, prompt_name: str | None = None) -> Any:
        return model.encode(texts, prompt_name=prompt_name, batch_size=batch_size, show_progress_bar=False)

    return encode
