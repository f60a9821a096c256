"""sentence-transformers on its ONNX backend, which is optimum-onnx."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import onnxruntime
from sentence_transformers import SentenceTransformer

PACKAGES = ("sentence-transformers", "optimum-onnx", "transformers", "onnxruntime", "onnxruntime-gpu", "torch")


def load(request: dict[str, Any]) -> Callable[[list[str], int], Any]:
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
    return lambda texts, batch_size: model.encode(texts, batch_size=batch_size, show_progress_bar=False)
