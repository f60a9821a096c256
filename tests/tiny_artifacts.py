"""Artifact folders: of a few bytes, all files that a manifest must name but none to run, and of tiny random models."""

from __future__ import annotations

from pathlib import Path

import torch

from decant.files import sha256_of
from decant.models.encoder import SentenceEncoder
from export.artifact.bundle import ArtifactFacts, write_artifact
from export.artifact.manifest import EVERY_ARTIFACT, MANIFEST, Manifest, files_of
from export.artifact.reranker_folder import write_reranker
from export.certify.record import RuntimeRecord
from export.graphs.to_onnx import export_comparator, export_cross_encoder, export_encoder
from students.distill.comparator import Comparator
from students.sharing.share_maps import share_cross_encoder
from teachers.cross_encoders.cross_encoder import CrossEncoder
from tests.tiny_models import tiny_backbone_folder, tiny_encoder
from tests.tiny_runs import pairs

PARITY = {
    "min_cosine": 0.999999, "batch_invariance": 0.99995, "required_min_cosine": 0.99999,
    "required_batch_invariance": 0.9999,
}  # fmt: skip


def tiny_artifact(
    folder: Path, content: str = "one", parity: dict[str, float] | None = None, **certificate: RuntimeRecord
) -> Path:
    """A folder that verifies; the same content gives the same files.

    Args:
        parity: as decant.json states it; default: above every gate.
        certificate: by the runtime's name.
    """
    for name in EVERY_ARTIFACT:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{name}: {content}\n" * 20, encoding="utf-8")
    manifest = Manifest(
        schema=1, name=folder.name, precision="fp32", pooling="mean", layers=1, dim=8, max_length=16, parameters=1,
        created="2026-01-02T03:04:05+00:00", versions={}, recipe_sha256=None, metrics={},
        parity=PARITY if parity is None else parity, certificate=certificate, sentence_transformers=False,
        sha256={path: sha256_of(folder / path) for path in files_of(folder)},
    )  # fmt: skip
    (folder / MANIFEST).write_text(manifest.model_dump_json(), encoding="utf-8")
    return folder


def exported_artifact(folder: Path, outputs: int | None = None, seed: int = 0, threshold: float | None = None) -> Path:
    """A folder that can be run: a tiny random encoder's, with a random comparator or without.

    Args:
        folder: to write; its parent gets the graphs, too.
        outputs: logits of the comparator, in the mean 0 each; None: pairs are compared by cosine.
        seed: of the weights.
        threshold: of a binary task, as decant.json states it.
    """
    encoder = tiny_encoder("bert", max_length=32, seed=seed, num_hidden_layers=1)
    graph, head = folder.with_suffix(".onnx"), folder.with_suffix(".head.onnx")
    export_encoder(encoder, graph)
    if outputs is not None:
        export_comparator(_comparator(encoder, outputs, seed), head)
    metrics = {"tiny/test": {"threshold": threshold}} if threshold is not None else {}
    facts = ArtifactFacts(folder.name, "fp32", "# Tiny\n", metrics=metrics, parity=PARITY)
    write_artifact(folder, encoder, graph, facts, comparator_graph=head if outputs is not None else None)
    return folder


def _comparator(encoder: SentenceEncoder, outputs: int, seed: int) -> Comparator:
    with torch.random.fork_rng(), torch.inference_mode():
        torch.manual_seed(seed)
        comparator = Comparator(encoder.dim, outputs, hidden=16).eval()
        first, second = (
            torch.from_numpy(encoder.encode([row[column] for row in pairs("regression", 40, 0)])) for column in (0, 1)
        )
        comparator.output.bias -= comparator(first, second).mean(0)
    return comparator


def tiny_reranker(folder: Path, outputs: int = 1) -> Path:
    """A re-ranker that can be run: a tiny random cross-encoder's, whose middle layers share a map."""
    backbone = tiny_backbone_folder(folder.parent / f"{folder.name}.backbone", "bert", num_hidden_layers=4)
    cross = share_cross_encoder(CrossEncoder.from_backbone(backbone, outputs, 24).eval(), [[1, 2]])
    graph = folder.with_suffix(".onnx")
    export_cross_encoder(cross, graph)
    write_reranker(folder, cross, graph, name=folder.name, card="# Tiny\n")
    return folder
