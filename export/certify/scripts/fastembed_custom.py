"""fastembed, with the folder as a custom model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from fastembed import TextEmbedding
from fastembed.common.model_description import ModelSource, PoolingType

POOLINGS = {"cls": PoolingType.CLS, "mean": PoolingType.MEAN, None: PoolingType.DISABLED}
PACKAGES = ("fastembed", "onnxruntime", "onnxruntime-gpu", "tokenizers")


def load(request: dict[str, Any]) -> Callable[[list[str], int], Any]:
    """Mean or [CLS] pooling and unit length are fastembed's own; of another vector the graph gives nothing else."""
    TextEmbedding.add_custom_model(
        model=request["name"],
        pooling=POOLINGS[request["pooling"]],
        normalization=True,
        sources=ModelSource(hf=request["name"]),  # asked for by the class; the folder below is what is read
        dim=request["dim"],
        model_file="onnx/model.onnx",
    )
    model = TextEmbedding(
        request["name"],
        specific_model_path=request["folder"],
        threads=request["threads"],
        providers=["CPUExecutionProvider"],
    )
    return lambda texts, batch_size: np.stack(list(model.embed(texts, batch_size=batch_size)))
