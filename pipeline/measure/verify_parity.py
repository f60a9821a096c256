"""Whether an artifact is what was exported: every file, and the vectors that its graph gives on this machine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decant.extras import missing_extra
from decant.models.folder_files import WEIGHTS
from decant.progress import Watch, unwatched
from export.artifact.manifest import is_reranker, verify_artifact
from export.artifact.reranker_folder import verify_reranker
from export.graphs.parity import check_parity
from export.graphs.probe_texts import texts_of_every_length
from export.quantize.static_table import own_direction, take_rows
from export.serve.rerank_session import OnnxReranker
from export.serve.safetensors_file import read_tensors
from export.serve.session import OnnxEncoder
from export.serve.static_session import StaticSession

PROBES = [
    "How do I reset my password?",
    "The quick brown fox jumps over the lazy dog.",
    "Rain is expected in the north tomorrow.",
    "A man is playing a guitar on the street while people walk by.",
]
EVERY_LENGTH, LONGER = 16, 16  # tokens up to which every length is compared; lengths beyond, spread evenly


def verify_parity(folder: Path, watch: Watch = unwatched) -> dict[str, Any]:
    """Check the manifest, then the graph against the folder's own float32 weights in PyTorch, where that is installed.

    The export compared a text of every length. The files are the same, so some of the lengths tell whether this
    machine and its libraries give the same vectors, too.

    Args:
        folder: an artifact's.
        watch: shows what is at work.

    Raises:
        InputError: a file is missing, changed or not listed.
        GateError: the graph's vectors are not PyTorch's.
    """
    if is_reranker(folder):
        with watch("files", 1):
            scorer = verify_reranker(folder)
        with watch("scores of the graph", 1):
            OnnxReranker(folder).score([(PROBES[0], text) for text in PROBES])
        return {"artifact": str(folder), "files": len(scorer.sha256), "precision": scorer.precision}
    with watch("files", 1):
        manifest = verify_artifact(folder)
        served = OnnxEncoder(folder)
        lengths = probe_lengths(served.max_length)
        probes = texts_of_every_length(PROBES, served.tokenize, served.max_length, 1, lengths)
    reference, missing = _torch_vectors(folder, probes, watch, manifest.static)
    if reference is None:  # the graph is compared with itself alone
        reference = np.concatenate([served.embed([ids]) for ids in served.tokenize(probes)])
    found = []
    for session in (served, *((StaticSession(folder),) if manifest.static else ())):
        with watch("texts in the graph, alone and in batches", len(probes)) as advance:
            found.append(
                check_parity(session, probes, reference, manifest.precision, progress=advance, static=manifest.static)
            )
    min_cosine = min(parity.min_cosine for parity in found)
    return {
        "artifact": str(folder), "files": len(manifest.sha256), "precision": manifest.precision,
        "texts": len(probes), **({"not_compared": missing} if missing else {"min_cosine": min_cosine}),
        "batch_invariance": min(min(parity.batch_invariance, parity.padding_invariance) for parity in found),
    }  # fmt: skip


def probe_lengths(max_length: int) -> list[int]:
    """Lengths in tokens that are compared: each of the short ones, and some of those up to `max_length`."""
    longer = np.linspace(EVERY_LENGTH, max_length, LONGER + 1).round().astype(int).tolist()
    return sorted({*range(1, min(EVERY_LENGTH, max_length) + 1), *(n for n in longer if n <= max_length)})


def _torch_vectors(
    folder: Path, texts: Sequence[str], watch: Watch, static: bool
) -> tuple[NDArray[np.float32] | None, str]:
    """The vectors by the folder's own weights, float32 [texts, dim]; or None, and what there is to install."""
    with watch("loading PyTorch and the model", 1):
        try:
            from decant.models.encoder import SentenceEncoder

            if static:
                return _bagged(folder, texts), ""
        except ModuleNotFoundError as error:
            missing = missing_extra(error)
            if missing is None:
                raise
            return None, missing
        encoder = SentenceEncoder.load(folder)
    with watch("texts in PyTorch", len(texts)) as advance:
        return encoder.encode(texts, progress=advance), ""


def _bagged(folder: Path, texts: Sequence[str]) -> NDArray[np.float32]:
    """A static student's vectors by torch's EmbeddingBag, float32 [texts, dim]."""
    import torch

    ids, tensors = StaticSession(folder).tokenize(texts), read_tensors(folder / WEIGHTS)
    flat = torch.tensor([number for row in ids for number in row])
    starts = torch.tensor(np.cumsum([0, *map(len, ids[:-1])]))
    rows, direction = (torch.from_numpy(one) for one in (take_rows(tensors, slice(None)), own_direction(tensors)))
    sums = torch.nn.functional.embedding_bag(flat, rows, starts, mode="sum")
    known = sums.any(1, keepdim=True)
    vectors: NDArray[np.float32] = torch.nn.functional.normalize(torch.where(known, sums, direction), dim=1).numpy()
    return vectors
