"""OpenVINO's Python runtime, with tokenizers and numpy."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import openvino
from tokenizers import Tokenizer

PACKAGES = ("openvino", "tokenizers", "numpy")


def load(request: dict[str, Any]) -> Callable[[list[str], int], Any]:
    """The IR, compiled for the CPU in float32: its default on processors with bfloat16 is less exact."""
    folder = Path(request["folder"])
    pad = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))["pad_token"]
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.enable_padding(pad_id=tokenizer.token_to_id(pad), pad_token=pad)
    config = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": request["threads"]}
    model = openvino.Core().compile_model(str(folder / "encoder" / "1" / "model.xml"), "CPU", config)

    def encode(texts: list[str], batch_size: int) -> Any:
        vectors = []
        for start in range(0, len(texts), batch_size):
            encoded = tokenizer.encode_batch(texts[start : start + batch_size])
            feed = {
                "input_ids": np.array([one.ids for one in encoded], np.int64),
                "attention_mask": np.array([one.attention_mask for one in encoded], np.int64),
            }
            vectors.append(model(feed)["sentence_embedding"].copy())
        return np.concatenate(vectors)

    return encode
