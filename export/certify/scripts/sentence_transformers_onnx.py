"""sentence-transformers on its ONNX backend, which is optimum-onnx."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import onnxruntime
from sentence_transformers import SentenceTransformer

PACKAGES = ("sentence-transformers", "optimum-onnx", "transformers", "onnxruntime", "onnxruntime-gpu", "torch")
PROMPTS = True  # it is told of a prompt by its name


def load(request: dict[str, Any]) -> Callable[..., Any]:
    """The folder's onnx/model.onnx on the CPU."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = request["threads"]
    options.log_severity_level = 3
    model = SentenceTransformer(
        request["folder"],
        device="cpu",
        backend="onnx",
        local_files_only=True,
        trust_remote_code=False,
        model_kwargs={"provider": "CPUExecutionProvider", "session_options": options},
    )

    def encode(texts: list[str], batch_size: int, prompt_name: str | None = None) -> Any:
        return model.encode(texts, prompt_name=prompt_name, batch_size=batch_size, show_progress_bar=False)

    return encode
