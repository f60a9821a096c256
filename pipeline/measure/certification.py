"""An artifact's certificate: what came of loading it in other runtimes, and whether that is good enough."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from decant.errors import GateError
from decant.training.cores import usable_cores
from export.artifact.manifest import CARD, MANIFEST
from export.certify.certify import certify
from export.certify.record import RuntimeRecord
from export.certify.runtime_environment import default_cache, prepare
from export.certify.runtimes import runtimes_of
from pipeline.marks import restamp
from pipeline.report.machine import cpu
from pipeline.screen.console import Screen


def certify_artifact(
    artifact: Path, names: Sequence[str] | None, cache: Path | None, min_cosine: float, screen: Screen
) -> dict[str, RuntimeRecord]:
    """Run the named runtimes, all of them for None, and write the artifact's certificate.

    Args:
        artifact: an artifact folder.
        names: of runtimes.
        cache: where their environments are kept; the user's cache folder, unless given.
        min_cosine: below it, a runtime differs.
        screen: shows what is at work.

    Raises:
        InputError: the artifact was changed or cannot be written, or a name is unknown.
    """
    runtimes = runtimes_of(names)
    folder = cache.resolve() if cache is not None else default_cache()
    name, features = cpu()
    features_said = f" ({', '.join(features)})" if features else ""
    machine = f"{name}{features_said}; {usable_cores()} threads"
    records = certify(
        artifact, runtimes, lambda runtime: prepare(runtime, folder, screen.say), screen.say, machine, min_cosine
    )
    for name in (MANIFEST, CARD):  # else the run that the artifact stands in would take them for damaged
        restamp((artifact / name).resolve())
    return records


def hold_certificate(records: dict[str, RuntimeRecord], *, strict: bool) -> None:
    """Refuse a certificate in which a runtime ran and disagreed.

    Args:
        records: by the runtime's name.
        strict: refuse it where a runtime that can run such an artifact was not run, too, or where none can.

    Raises:
        GateError: names the runtimes.
    """
    failed = [name for name, record in records.items() if record.status in ("differs", "rules broken")]
    unable = [name for name, record in records.items() if record.status == "cannot run"]
    missing = [name for name, record in records.items() if record.status == "not run"]
    if len(unable) == len(records):  # nothing stands behind the certificate
        missing = unable
    if not strict:
        missing = []
    if failed or missing:
        said = [f"{', '.join(names)} {what}" for names, what in ((failed, "differ"), (missing, "not run")) if names]
        raise GateError(f"certificate: {'; '.join(said)}; decant.json and the model card say why")
