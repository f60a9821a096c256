"""Artifact folders of a few bytes: all files that a manifest must name, none of which can be run."""

from __future__ import annotations

from pathlib import Path

from export.certify.record import RuntimeRecord
from export.manifest import EVERY_ARTIFACT, MANIFEST, Manifest, files_of, sha256_of

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
