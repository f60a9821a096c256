"""onnxruntime in Python, with tokenizers and numpy alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

PACKAGES = ("onnxruntime", "onnxruntime-gpu", "tokenizers", "numpy")


def load(request: dict[str, Any]) -> Callable[[list[str], int], Any]:
    """Batches of the given order, padded to their longest text."""
    folder = Path(request["folder"])
    pad = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))["pad_token"]
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.enable_padding(pad_id=tokenizer.token_to_id(pad), pad_token=pad)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = request["threads"]
    options.log_severity_level = 3
    model = str(folder / "onnx" / "model.onnx")
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    def encode(texts: list[str], batch_size: int) -> Any:
        vectors = []
        for start in range(0, len(texts), batch_size):
            encoded = tokenizer.encode_batch(texts[start : start + batch_size])
            feed = {
                "input_ids": np.array([one.ids for one in encoded], np.int64),
                "attention_mask": np.array([one.attention_mask for one in encoded], np.int64),
            }
            vectors.append(session.run(["sentence_embedding"], feed)[0])
        return np.concatenate(vectors)

    return encode
