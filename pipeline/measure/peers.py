"""What other libraries make of a model on this machine, each ready to encode, or the reason why it cannot."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from export.serve.without_log import without_log

if TYPE_CHECKING:
    from pipeline.measure.baselines import Backend

Encode = Callable[[Sequence[str]], NDArray[np.float32]]
STATIC_DIM = 256  # model2vec's own default


def sentence_transformers_torch(folder: Path, max_length: int | None) -> Encode:
    """sentence-transformers as most people run it: torch, float32."""  # noqa: D403
    return _run_by_sentence_transformers(folder, max_length, "torch")


def sentence_transformers_onnx(folder: Path, max_length: int | None) -> Encode:
    """Its ONNX backend, which exports the model by optimum-onnx."""
    return _run_by_sentence_transformers(folder, max_length, "onnx")


def sentence_transformers_openvino(folder: Path, max_length: int | None) -> Encode:
    """Its OpenVINO backend, which converts the model by optimum-intel."""
    return _run_by_sentence_transformers(folder, max_length, "openvino")


def model2vec_static(folder: Path, max_length: int | None) -> Encode:
    """A table of token vectors that model2vec distils from the model: no layer is run.

    Its texts have no limit of length, so max_length is not used.
    """
    from model2vec.distill import distill

    from decant.models.backbone import quiet_transformers
    from students.nesting.exits import unit_slice

    with without_log(), quiet_transformers(), contextlib.redirect_stderr(io.StringIO()):  # for its progress bars
        static = distill(model_name=str(folder), pca_dims=STATIC_DIM, trust_remote_code=False)

    def encode(texts: Sequence[str]) -> NDArray[np.float32]:
        vectors = np.asarray(static.encode(list(texts)), np.float32)
        return unit_slice(vectors, vectors.shape[1])

    return encode


def _run_by_sentence_transformers(folder: Path, max_length: int | None, backend: Backend) -> Encode:
    from pipeline.measure.baselines import SentenceTransformerBaseline  # loads torch, which no artifact needs

    return SentenceTransformerBaseline(folder, max_length=max_length, backend=backend).encode


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
