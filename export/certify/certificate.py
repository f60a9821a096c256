"""The certificate's place in an artifact: decant.json, and a section of the model card."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from decant.errors import InputError
from decant.files import sha256_of, write_json, written_whole
from decant.table import MISSING, Column, Line, Table, escape, line, markdown, number_columns, text_columns
from export.artifact.bundle import CARD, MANIFEST, Manifest, read_manifest, verify_artifact
from export.certify.record import RuntimeRecord
from export.certify.runtime_environment import OWN

HEADING = "## Where it runs"
SECTION = re.compile(rf"^{HEADING}\n.*?(?=^## |\Z)", re.DOTALL | re.MULTILINE)
BEFORE = "## Limitations"
COLUMNS = (
    *text_columns("runtime", "result"), *number_columns("min cosine", "mean cosine", "ms/text", "texts/s"),
    Column("versions"),
)  # fmt: skip


def write_certificate(artifact: Path, manifest: Manifest, records: Mapping[str, RuntimeRecord]) -> None:
    """Add records to a verified artifact, whole or not at all; those of other runtimes stay.

    Args:
        artifact: replaced by a copy of itself with another card and manifest.
        manifest: its manifest.
        records: by the runtime's name.
    """
    every = {**manifest.certificate, **records}
    with written_whole(artifact) as written:
        shutil.copytree(artifact, written)
        card = written / CARD
        card.write_text(with_section(card.read_text(encoding="utf-8"), every, manifest.max_length), encoding="utf-8")
        sha256 = {**manifest.sha256, CARD: sha256_of(card)}
        certified = manifest.model_copy(update={"certificate": every, "sha256": sha256})
        write_json(written / MANIFEST, certified.model_dump(mode="json"), sort_keys=True)
        verify_artifact(written)


def certificate_of(earlier: Path, manifest: Manifest) -> dict[str, RuntimeRecord]:
    """What other runtimes made of an artifact's very files, as an earlier folder of them states it; none of others.

    Args:
        earlier: an artifact folder, or what is left of one.
        manifest: of the artifact, whose card alone may be another.
    """
    try:
        known = read_manifest(earlier)
    except (InputError, OSError):  # it earned nothing that can be read
        return {}
    return known.certificate if _runs_as(known) == _runs_as(manifest) else {}


def _runs_as(manifest: Manifest) -> dict[str, str]:
    """Digests of all files that a runtime reads."""
    return {path: digest for path, digest in manifest.sha256.items() if path != CARD}


def with_section(card: str, records: Mapping[str, RuntimeRecord], max_length: int) -> str:
    """The card with a section on the runtimes: in place of an earlier one, before the limitations, or at the end."""
    section = _section(records, max_length)
    if SECTION.search(card):
        return SECTION.sub(lambda found: section + ("\n" if found.end() < len(card) else ""), card)
    if f"\n{BEFORE}" in card:
        return card.replace(f"\n{BEFORE}", f"\n{section}\n{BEFORE}", 1)
    return f"{card.rstrip()}\n\n{section}"


def _section(records: Mapping[str, RuntimeRecord], max_length: int) -> str:
    ran, said = [record for record in records.values() if record.ran], []
    if ran:
        texts = max(record.texts or 0 for record in ran)
        said = [
            f"- Cosines of {texts} texts' vectors to those of `onnx/model.onnx` in Decant's own session, a text alone: "
            f"texts of all lengths up to {max_length} tokens, an empty one, one of 2,000 words, emoji, Chinese.",
            "- ms/text is the median for one sentence, texts/s those texts in batches of 32; tokenizer included.",
            "- Each loaded the folder that `decant bundle --for` writes for it, in an environment of its own.",
        ]
    said += [
        f"- {name} ran in {one.environment}." for name, one in records.items() if one.environment not in (None, OWN)
    ]
    said += [f"- {name}: {_plain(one.note)}." for name, one in records.items() if one.note]
    said += [f"- Measured on: {machine}" for machine in dict.fromkeys(_measured(record) for record in ran)]
    table = Table(COLUMNS, tuple(_line(name, record) for name, record in records.items()))
    return "\n".join([HEADING, "", markdown(table), "", *said]) + "\n"


def _line(name: str, record: RuntimeRecord) -> Line:
    figures = [MISSING] * 4
    if record.ms_per_text is not None and record.texts_per_second is not None:
        cosines = [record.min_cosine, record.mean_cosine]
        figures = [MISSING if cosine is None else f"{cosine:.6f}" for cosine in cosines]
        figures += [f"{record.ms_per_text:.2f}", f"{record.texts_per_second:,.0f}"]
    versions = ", ".join(f"{package} {version}" for package, version in record.versions.items()) or MISSING
    return line(name, record.status, *figures, " ".join(versions.split()))


def _measured(record: RuntimeRecord) -> str:
    return f"{_plain(record.machine or 'an unnamed machine')}, {record.date[:10]}."


def _plain(text: str) -> str:
    """Text on one line that is not read as markup."""
    return escape(" ".join(text.split()))
