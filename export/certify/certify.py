"""Certify an artifact: run it in every runtime that is named, from the folder that is written for that runtime."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from decant.errors import GateError, InputError
from decant.models.no_code import check_no_code
from decant.training.cores import usable_cores
from export.artifact.bundle import Manifest, verify_artifact
from export.certify.certificate import write_certificate
from export.certify.certify_texts import SENTENCES, certificate_texts
from export.certify.expected import Expected as Expected
from export.certify.expected import Group as Group
from export.certify.record import RuntimeRecord
from export.certify.runtime_environment import Prepared, Tell, start
from export.certify.runtimes import MODEL2VEC, Runtime
from export.certify.static_texts import compared_texts
from export.deploy.folder import bundle_artifact, convert_by
from export.deploy.rules import hold
from export.deploy.target import check_served, is_pooled_by_runtimes, read_model
from export.deploy.tei import tei_rules
from export.deploy.triton import triton_rules
from export.graphs.parity import BATCH_INVARIANT
from export.serve.session import OnnxEncoder

Prepare = Callable[[Runtime], Prepared]
RUN_SECONDS = 1800
BATCH = 32
PATH = re.compile(r"(?:[A-Za-z]:)?(?:[\\/]+[^\\/\s:'\",;()]+){2,}")
STRIPS = "it takes spaces off the ends of texts; one that begins with a space gets the vector of the text without it"
UNIT = 1e-3  # how far a vector's length may be from 1


@dataclass(frozen=True)
class Comparison:
    """What a runtime's vectors are to the artifact's own; the cosines are None where they have none."""

    status: Literal["agrees", "differs"]
    note: str | None
    min_cosine: float | None
    mean_cosine: float | None


def certify(
    artifact: Path, runtimes: Sequence[Runtime], prepare: Prepare, tell: Tell, machine: str, min_cosine: float = 0.999
) -> dict[str, RuntimeRecord]:
    """Run each runtime, and write what came of it into decant.json and the model card.

    Earlier results of other runtimes stay. A runtime that cannot be installed or run is recorded as not run; one
    that lacks what such an artifact needs, wherever it is installed, as one that cannot run it.

    Args:
        artifact: as exported; its graph and weights are not changed.
        runtimes: in this order.
        prepare: gives a runtime's environment.
        tell: told what is at work, a line each.
        machine: the processor, for the record.
        min_cosine: below it, a runtime differs.

    Returns:
        A record for each of the runtimes, by name.

    Raises:
        InputError: the artifact was changed or asks runtimes for code of its own, its graph gives no vectors, or its
            folder cannot be written.
    """
    manifest = verify_artifact(artifact)
    check_no_code(artifact)
    try:
        scratch = tempfile.TemporaryDirectory(dir=artifact.resolve().parent, prefix=f".{artifact.resolve().name}.")
    except OSError as error:
        raise InputError(f"{artifact} cannot be written beside ({error.strerror}); certify a copy of it") from error
    with scratch as place:
        own = OnnxEncoder(artifact)
        expected = _expected(own, min_cosine)
        records = {}
        for runtime in runtimes:
            chosen, said = compared_texts(artifact, own, runtime, expected) if manifest.static else (expected, "")
            record = _record(artifact, manifest, runtime, prepare, tell, chosen, Path(place) / runtime.name)
            if said and record.ran:
                record = record.model_copy(update={"note": "; ".join(filter(None, [record.note, said]))})
            record = record.model_copy(update={"machine": machine if record.ran else None})
            records[runtime.name] = record
            tell(f"{runtime.name}: {said_of(record)}")
        write_certificate(artifact, manifest, records)
    return records


def _expected(own: OnnxEncoder, min_cosine: float) -> Expected:
    """Every text behind the default prompt, and the plain sentences behind each other one.

    A text that has no token at all is left out: runtimes have no vector for it, or one that depends on the batch.
    """
    texts = [text for text in certificate_texts(own.tokenize, own.max_length) if own.tokenize([text]) != [[own.pad_id]]]
    groups = [Group(len(texts), own.prompts.of(None), None)]
    vectors = [own.encode([text]) for text in texts]
    for name, prompt in own.prompts.texts.items():
        if prompt and name != own.prompts.default:
            groups.append(Group(len(SENTENCES), prompt, name))
            texts += SENTENCES
            vectors += [own.encode([text], prompt=name) for text in SENTENCES]
    plain, spaced = own.tokenize(["a", " a"])
    return Expected(texts, np.concatenate(vectors), min_cosine, plain != spaced, tuple(groups))


def said_of(record: RuntimeRecord) -> str:
    """A record in one line."""
    figures = ""
    if record.min_cosine is not None and record.mean_cosine is not None:
        figures = (
            f", min cosine {record.min_cosine:.6f}, mean {record.mean_cosine:.6f}, "
            f"{record.ms_per_text:.2f} ms for one text, {record.texts_per_second:,.0f} texts/s"
        )
    return f"{record.status}{figures}{f': {record.note}' if record.note else ''}"


def _record(
    artifact: Path, manifest: Manifest, runtime: Runtime, prepare: Prepare, tell: Tell, expected: Expected, place: Path
) -> RuntimeRecord:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    try:
        _check_runnable(artifact, manifest, runtime)
    except InputError as error:
        return RuntimeRecord(status="cannot run", date=now, note=_without_paths(str(error)))
    try:
        if runtime.kind == "rules":
            bundle_artifact(artifact, runtime.target, place / "model")
            return RuntimeRecord(status="rules hold", date=now, note=_rules(runtime, manifest, place / "model"))
        prepared = prepare(runtime)
        tell(f"{runtime.name}: running")
        bundle_artifact(
            artifact,
            runtime.target,
            place / "model",
            convert=lambda graph, xml: convert_by(prepared.python, graph, xml),
        )
        record = _run(manifest, prepared, expected, place, now)
        caveat = STRIPS if runtime.strips and expected.heeds_spaces else None
        return record.model_copy(update={"note": record.note or caveat})
    except InputError as error:
        return RuntimeRecord(status="not run", date=now, note=_without_paths(str(error)))
    except GateError as error:
        return RuntimeRecord(status="rules broken", date=now, note=_without_paths(str(error)))


def _check_runnable(artifact: Path, manifest: Manifest, runtime: Runtime) -> None:
    model = read_model(artifact, manifest)
    if runtime.name == MODEL2VEC and not manifest.static:
        raise InputError("model2vec reads tables of token vectors alone, and this artifact has layers")
    check_served(model, runtime.target)
    if runtime.name == "sentence-transformers-onnx" and manifest.static:
        raise InputError("its ONNX backend runs transformers alone; sentence-transformers reads the table itself")
    if runtime.name == "sentence-transformers" and model.shared:
        raise InputError("torch knows no layers that share attention maps there; sentence-transformers-onnx runs them")
    if runtime.name == "sentence-transformers" and manifest.precision != "fp32" and not manifest.static:
        raise InputError("torch cannot read a quantized graph; sentence-transformers-onnx runs it")


def _rules(runtime: Runtime, manifest: Manifest, folder: Path) -> str:
    if runtime.target == "tei":
        count = hold("text-embeddings-inference", tei_rules(folder, manifest))
    else:
        count = sum(hold("Triton", triton_rules(model)) for model in sorted((folder / "models").iterdir()))
    return f"{count} rules of its folder checked; the server itself was not started"


def _run(manifest: Manifest, prepared: Prepared, expected: Expected, place: Path, now: str) -> RuntimeRecord:
    request = {
        "folder": str(place / "model"), "texts": expected.texts, "timed": [*SENTENCES, *SENTENCES], "batch_size": BATCH,
        "alone": manifest.precision not in BATCH_INVARIANT, "threads": usable_cores(),
        "vectors": str(place / "vectors"), "dim": manifest.dim, "name": "decant-certified",
        "pooling": manifest.pooling if is_pooled_by_runtimes(manifest) else None,
        "groups": [asdict(group) for group in expected.groups],
    }  # fmt: skip
    (place / "request.json").write_text(json.dumps(request), encoding="utf-8")
    start([*prepared.command, str(place / "request.json"), str(place / "result.json")], RUN_SECONDS, "running it")
    result = json.loads((place / "result.json").read_text(encoding="utf-8"))
    found = compare(np.fromfile(place / "vectors", np.float32), expected)
    return RuntimeRecord(
        status=found.status, date=now, note=found.note, versions=result["versions"], environment=prepared.said,
        texts=len(expected.texts), min_cosine=found.min_cosine, mean_cosine=found.mean_cosine,
        required_min_cosine=expected.min_cosine, ms_per_text=result["ms_per_text"],
        texts_per_second=result["texts_per_second"],
    )  # fmt: skip


def compare(flat: NDArray[np.float32], expected: Expected) -> Comparison:
    """Hold a runtime's vectors to the artifact's own.

    Args:
        flat: float32, as the runtime wrote them: one text after another.
        expected: texts and vectors.
    """
    if flat.size != expected.vectors.size:
        rows, dim = expected.vectors.shape
        return Comparison("differs", f"it gave {flat.size} numbers, not {rows} vectors of {dim}", None, None)
    vectors, own = flat.reshape(expected.vectors.shape).astype(np.float64), expected.vectors.astype(np.float64)
    if not np.isfinite(vectors).all():
        return Comparison("differs", "a number of its vectors is not finite", None, None)
    lengths = np.linalg.norm(vectors, axis=1)
    products = np.einsum("nd,nd->n", vectors, own) / np.maximum(lengths * np.linalg.norm(own, axis=1), 1e-12)
    cosines = np.clip(products, -1, 1)
    worst = int(np.argmin(cosines))
    note = None
    if cosines[worst] < expected.min_cosine:
        text = expected.texts[worst]
        note = f"worst text {text if len(text) <= 60 else text[:57] + '...'!r}"
    elif np.abs(lengths - 1).max() > UNIT:
        note = f"its vectors are of lengths {lengths.min():.3f} to {lengths.max():.3f}, not 1"
    return Comparison("differs" if note else "agrees", note, float(cosines[worst]), float(cosines.mean()))


def _without_paths(said: str) -> str:
    """Paths cut to their last part: a certificate is published, a machine's folders are not."""
    return PATH.sub(lambda found: re.split(r"[\\/]", found.group())[-1], said)
