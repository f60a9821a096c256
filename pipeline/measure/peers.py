"""What other libraries make of a model on this machine, each ready to encode, or the reason why it cannot."""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.measure.baselines import SentenceTransformerBaseline
from teachers.backbone import quiet_transformers

Encode = Callable[[Sequence[str]], NDArray[np.float32]]
STATIC_DIM = 256  # model2vec's own default


def sentence_transformers_torch(folder: Path, max_length: int | None) -> Encode:
    """sentence-transformers as most people run it: torch, float32."""  # noqa: D403
    return SentenceTransformerBaseline(folder, max_length=max_length).encode


def sentence_transformers_onnx(folder: Path, max_length: int | None) -> Encode:
    """Its ONNX backend, which exports the model by optimum-onnx."""
    return _by_backend(folder, max_length, "onnx")


def sentence_transformers_openvino(folder: Path, max_length: int | None) -> Encode:
    """Its OpenVINO backend, which converts the model by optimum-intel."""
    return _by_backend(folder, max_length, "openvino")


def model2vec_static(folder: Path, max_length: int | None) -> Encode:
    """A table of token vectors that model2vec distils from the model: no layer is run.

    Its texts have no limit of length, so max_length is not used.
    """
    from model2vec.distill import distill

    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with quiet_transformers(), contextlib.redirect_stderr(io.StringIO()):  # its progress bars cannot be turned off
            static = distill(model_name=str(folder), pca_dims=STATIC_DIM)
    finally:
        logging.disable(disabled)

    def encode(texts: Sequence[str]) -> NDArray[np.float32]:
        vectors = np.asarray(static.encode(list(texts)), np.float32)
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        return np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)

    return encode


PEERS: dict[str, tuple[str, Callable[[Path, int | None], Encode]]] = {
    "sentence-transformers": ("fp32", sentence_transformers_torch),
    "sentence-transformers, ONNX backend": ("fp32", sentence_transformers_onnx),
    "sentence-transformers, OpenVINO backend": ("fp32", sentence_transformers_openvino),
    "model2vec": ("static", model2vec_static),
}
"""Name → precision, and how it is loaded from a model's folder."""


def load_peers(folder: Path, max_length: int | None) -> tuple[dict[str, Encode], list[str]]:
    """Every peer that runs here, and one sentence on each that does not."""
    found: dict[str, Encode] = {}
    notes = []
    for name, (_, load) in PEERS.items():
        try:
            found[name] = load(folder, max_length)
        except Exception as error:  # a peer's failure is a finding, of whatever kind it is
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:160]
            notes.append(f"{name} was not measured: {reason}")
    return found, notes


def _by_backend(folder: Path, max_length: int | None, backend: Any) -> Encode:
    from sentence_transformers import SentenceTransformer

    with quiet_transformers():
        model = SentenceTransformer(str(folder), device="cpu", backend=backend, trust_remote_code=False)
    if max_length is not None:
        model.max_seq_length = max_length

    def encode(texts: Sequence[str]) -> NDArray[np.float32]:
        found = model.encode(list(texts), batch_size=32, show_progress_bar=False, normalize_embeddings=True)
        return np.asarray(found, np.float32)

    return encode
