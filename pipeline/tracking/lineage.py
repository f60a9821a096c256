"""What was made from what: teacher → targets → student → artifact, by fingerprints and sha256."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

from decant.files import sha256_of
from decant.models.folder_files import WEIGHTS
from export.artifact.manifest import MANIFEST
from pipeline.report.rows import Report
from pipeline.run_dir import RunDir
from pipeline.stages.artifacts import decant_version

SHOWN = 12  # hex digits in the line for people


def lineage(report: Report, stages: Sequence[str], run_dir: RunDir) -> dict[str, str]:
    """Tags of a finished run.

    A stage's fingerprint is the sha256 of all that decides its result, the fingerprints before it among that; of
    weights and of the artifact to ship there are the files' own digests too.

    Args:
        report: the run's.
        stages: that its recipe has, in their order.
        run_dir: where they stand.
    """
    tags = {"decant.version": decant_version()}
    tags |= {"decant.recipe_sha256": report.recipe_sha256} if report.recipe_sha256 else {}
    tags |= {f"decant.data_sha256.{split}": digest for split, digest in report.data_sha256.items()}
    said = []
    for stage in stages:
        folder, mark = run_dir.folder(stage), run_dir.mark(stage)
        if mark is None:
            continue
        tags[f"decant.fingerprint.{stage}"] = mark.fingerprint
        said.append(f"{stage} {mark.fingerprint[:SHOWN]}")
        if (folder / WEIGHTS).is_file():
            tags[f"decant.weights_sha256.{stage}"] = sha256_of(folder / WEIGHTS)
    if report.selected is not None:
        manifest = run_dir.folder("artifacts") / report.selected / MANIFEST
        digest = sha256_of(manifest) if manifest.is_file() else ""
        tags |= {"decant.pick": report.selected, "decant.pick_manifest_sha256": digest}
        graph = report.row(report.selected).graph_sha256
        tags |= {"decant.pick_graph_sha256": graph} if graph else {}
        said.append(f"{report.selected} {digest[:SHOWN]}")
    return tags | {"decant.lineage": " → ".join(said)}


def digest_of(*parts: object) -> str:
    """Sha256 of JSON values, in hex."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
