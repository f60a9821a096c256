"""An encoder's vectors of many texts by the fastest way here: what an embedding teacher labels a corpus with."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from decant.errors import InputError
from decant.files import read_object, write_json
from decant.models.backbone import quiet_transformers
from decant.models.bfloat16 import bfloat16_is_native
from decant.models.encoder import SentenceEncoder
from decant.models.folder_files import SETTINGS, TOKENIZER_CONFIG
from decant.models.quantized import quantized_kind
from export.artifact.bundle import GRAPH
from export.graphs.to_onnx import export_encoder
from export.serve.encode_precision import EncodePrecision
from export.serve.session import OnnxEncoder
from teachers.labels.vector_store import Encode

EXPORT_TEXTS = 1000  # below this, exporting takes longer than it saves


def fast_encode(
    encoder: SentenceEncoder, count: int, folder: Path, precision: EncodePrecision = "auto", threads: int | None = None,
    *, prompt: str | None = None,
) -> Encode:  # fmt: skip
    """`encoder.encode` by what is fastest here at this precision.

    bf16 runs in torch: where the processor multiplies bfloat16 itself, 1.7 times as fast as onnxruntime in fp32. Its
    cosines to the fp32 vectors are 0.9999 or so. fp32 goes through onnxruntime for many texts on a CPU, else through
    torch, which also takes over where the encoder cannot be exported, such as one of more than 2 GiB or of quantized
    weights.

    Args:
        encoder: of any pooling; not changed.
        count: texts that will be encoded.
        folder: holds the graph, in a folder of its own, until this returns.
        precision: auto: bf16 where it is native, else fp32.
        threads: of onnxruntime; all that this process may use, unless given.
        prompt: a name of the encoder's prompts; None: the default one.
    """
    device = next(encoder.parameters()).device.type
    if encoding_precision(precision) == "bf16":

        def in_bf16(part: Sequence[str], progress: Callable[[int], None]) -> NDArray[np.float32]:
            with torch.autocast(device, torch.bfloat16):
                return encoder.encode(part, progress=progress, prompt=prompt)

        return in_bf16

    def by_torch(part: Sequence[str], progress: Callable[[int], None]) -> NDArray[np.float32]:
        return encoder.encode(part, progress=progress, prompt=prompt)

    unlike_a_graph = encoder.skipped_tokens(encoder.prompts.given(prompt)) > 0
    if unlike_a_graph or count < EXPORT_TEXTS or device != "cpu" or quantized_kind(encoder.backbone) is not None:
        return by_torch
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".encoder.") as scratch:
        exported = Path(scratch)
        try:
            export_encoder(encoder, exported / GRAPH)
        except InputError:
            return by_torch
        _save_tokenizer(encoder, exported)
        served = OnnxEncoder(exported, threads)
        served.hold()
    return lambda part, progress: served.encode(part, progress=progress, prompt=prompt)


def encoding_precision(precision: EncodePrecision) -> Literal["fp32", "bf16"]:
    """What `auto` means on this machine."""
    if precision != "auto":
        return precision
    return "bf16" if bfloat16_is_native() else "fp32"


def _save_tokenizer(encoder: SentenceEncoder, folder: Path) -> None:
    with quiet_transformers():
        encoder.tokenizer.save_pretrained(folder)
    config = folder / TOKENIZER_CONFIG
    stated = read_object(config)
    # what the encoder itself tokenizes by, whatever the tokenizer's own limit is
    stated |= {"model_max_length": encoder.max_length, "truncation_side": encoder.tokenizer.truncation_side}
    write_json(config, stated, sort_keys=True)
    prompts = {"prompts": dict(encoder.prompts.texts), "default_prompt_name": encoder.prompts.default}
    write_json(folder / SETTINGS, prompts, sort_keys=True)
