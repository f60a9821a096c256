"""Whether an artifact is what was exported: every file, and the vectors that its graph gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from decant.models.encoder import SentenceEncoder
from export.artifact.manifest import is_reranker, verify_artifact
from export.artifact.reranker_folder import verify_reranker
from export.graphs.parity import check_parity
from export.graphs.probe_texts import texts_of_every_length
from export.serve.rerank_session import OnnxReranker
from export.serve.session import OnnxEncoder

PROBES = [
    "How do I reset my password?",
    "The quick brown fox jumps over the lazy dog.",
    "Rain is expected in the north tomorrow.",
    "A man is playing a guitar on the street while people walk by.",
]


def verify_parity(folder: Path) -> dict[str, Any]:
    """Check the manifest, then the graph against the folder's own float32 weights in torch.

    Raises:
        InputError: a file is missing, changed or not listed.
        GateError: the graph's vectors are not torch's.
    """
    if is_reranker(folder):
        scorer = verify_reranker(folder)
        OnnxReranker(folder).score([(PROBES[0], text) for text in PROBES])
        return {"artifact": str(folder), "files": len(scorer.sha256), "precision": scorer.precision}
    manifest = verify_artifact(folder)
    encoder = SentenceEncoder.load(folder)
    probes = texts_of_every_length(PROBES, encoder.tokenize, encoder.max_length, 1)
    parity = check_parity(OnnxEncoder(folder), probes, encoder.encode(probes), manifest.precision)
    return {
        "artifact": str(folder), "files": len(manifest.sha256), "precision": manifest.precision,
        "texts": parity.texts, "min_cosine": parity.min_cosine,
        "batch_invariance": min(parity.batch_invariance, parity.padding_invariance),
    }  # fmt: skip
