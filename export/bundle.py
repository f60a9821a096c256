"""The artifact folder: one model in every form that runtimes expect, and a manifest of its files."""

from __future__ import annotations

import hashlib
import importlib.metadata
import shutil
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import onnx
import onnxruntime as ort
import torch
import transformers
from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from export.certify.record import RuntimeRecord
from export.parity import Precision
from export.runtime_files import complete_runtime_files, write_json
from export.session import OnnxComparator, OnnxEncoder
from students.shared_attention import stores_shared_maps
from teachers.encoder import SentenceEncoder
from teachers.errors import InputError
from teachers.pooling import PoolingKind

MANIFEST, GRAPH, COMPARATOR, CARD = "decant.json", "onnx/model.onnx", "onnx/comparator.onnx", "README.md"
EVERY_ARTIFACT = [
    "config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json",
    "sentence_bert_config.json", "model.safetensors", GRAPH, CARD,
]  # fmt: skip
SENTENCE_TRANSFORMERS = [
    "modules.json", "1_Pooling/config.json", "2_Normalize/config.json", "config_sentence_transformers.json",
]  # fmt: skip


class Manifest(BaseModel):
    """What decant.json says of an artifact."""

    model_config = ConfigDict(frozen=True, extra="forbid", serialize_by_alias=True)

    schema_version: int = Field(alias="schema", ge=1, le=1, description="Version of this layout.")
    name: str = Field(min_length=1, description="The artifact's name.")
    precision: Precision = Field(description="Of the ONNX graph; model.safetensors is always float32.")
    pooling: PoolingKind = Field(description="How token states become one vector.")
    layers: int = Field(ge=1, description="Transformer layers.")
    dim: int = Field(ge=1, description="Width of the vectors.")
    max_length: int = Field(ge=1, description="Tokens of a text, specials included, beyond which it is cut.")
    parameters: int = Field(ge=1, description="Weights of the encoder.")
    created: str = Field(description="UTC, ISO 8601.")
    versions: dict[str, str] = Field(description="Of the packages that wrote it.")
    recipe_sha256: str | None = Field(description="Hex digest of the resolved recipe.")
    metrics: dict[str, JsonValue] = Field(description="Fractions, 0.8203 for 82.03.")
    parity: dict[str, int | float] | None = Field(description="Figures of the comparison with torch.")
    certificate: dict[str, RuntimeRecord] = Field(default={}, description="Runtime → what came of loading it there.")
    sentence_transformers: bool = Field(description="Whether sentence-transformers can load the folder.")
    sha256: dict[str, str] = Field(description="Relative path → hex digest, of every other file.")


def write_artifact(
    folder: Path,
    encoder: SentenceEncoder,
    graph: Path,
    *,
    name: str,
    precision: Precision,
    card: str,
    recipe_sha256: str | None = None,
    metrics: Mapping[str, JsonValue] | None = None,
    parity: Mapping[str, float] | None = None,
    comparator_graph: Path | None = None,
    openvino: Path | None = None,
) -> Manifest:
    """Write an artifact folder: whole, or not at all.

    An encoder with `concat_top_mean` pooling has no counterpart in sentence-transformers: its folder has no
    modules.json, so that it is not loaded wrongly. One whose layers share attention maps is refused there, and by
    transformers, as of a model type that they do not know.

    Args:
        folder: replaced if it is an artifact already.
        encoder: float32 weights and tokenizer that the graph was exported from.
        graph: its exported graph, copied.
        name: the artifact's name.
        precision: of the graph.
        card: the model card, Markdown.
        recipe_sha256: hex digest of the resolved recipe.
        metrics: fractions, 0.8203 for 82.03.
        parity: figures of the comparison with torch.
        comparator_graph: copied beside the graph as comparator.onnx.
        openvino: a folder of its IR, copied as openvino/.

    Raises:
        InputError: the folder holds something else, or a graph does not fit the encoder.
    """
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir()) and not (folder / MANIFEST).is_file()):
        raise InputError(f"{folder} is no artifact of Decant, so it is not replaced; move it away, or name another")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as scratch:
        written = Path(scratch) / "new"
        _write_files(written, encoder, graph, card, comparator_graph)
        if openvino is not None:
            shutil.copytree(openvino, written / "openvino")
        manifest = Manifest(
            schema=1,
            name=name,
            precision=precision,
            pooling=encoder.pooling,
            layers=encoder.layers,
            dim=encoder.dim,
            max_length=encoder.max_length,
            parameters=sum(parameter.numel() for parameter in encoder.parameters()),
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            versions=_versions(),
            recipe_sha256=recipe_sha256,
            metrics=dict(metrics or {}),
            parity=dict(parity) if parity is not None else None,
            sentence_transformers=(written / "modules.json").is_file() and not stores_shared_maps(encoder),
            sha256={path: sha256_of(written / path) for path in _files(written)},
        )
        write_json(written / MANIFEST, manifest.model_dump(mode="json"))
        verify_artifact(written)
        put_in_place(written, folder, Path(scratch) / "old")
    return manifest


def verify_artifact(folder: Path) -> Manifest:
    """Check that an artifact folder holds what contract and manifest name, byte for byte, and nothing else.

    Raises:
        InputError: names the first file that is missing, changed or not listed.
    """
    manifest = read_manifest(folder)
    listed, present = set(manifest.sha256), set(_files(folder))
    required = set(EVERY_ARTIFACT + (SENTENCE_TRANSFORMERS if manifest.sentence_transformers else []))
    for path in sorted((listed | required) - present):
        raise InputError(f"{folder / path} is missing: the artifact is incomplete; copy or export it again")
    for path in sorted(present - listed):
        raise InputError(f"{folder / path} is not listed in {MANIFEST}: remove it, or export again")
    for path, digest in sorted(manifest.sha256.items()):
        if sha256_of(folder / path) != digest:
            raise InputError(f"{folder / path} was changed: its sha256 differs; copy or export it again")
    return manifest


def read_manifest(folder: Path) -> Manifest:
    """The manifest of an artifact folder; its files are not looked at.

    Raises:
        InputError: there is none, or it is not of this layout.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise InputError(f"{folder} is no artifact of Decant: {MANIFEST} is missing")
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise InputError(f"{path}: {where}: {first['msg']}; export the artifact again") from error


def _write_files(folder: Path, encoder: SentenceEncoder, graph: Path, card: str, comparator_graph: Path | None) -> None:
    encoder.save(folder)
    complete_runtime_files(folder, encoder)
    (folder / "onnx").mkdir()
    for source, target in ((graph, GRAPH), (comparator_graph, COMPARATOR)):
        if source is not None:
            if not source.is_file():
                raise InputError(f"{source} is missing; export the graph first")
            shutil.copyfile(source, folder / target)
    (folder / CARD).write_text(card.rstrip("\n") + "\n", encoding="utf-8")
    for path in folder.rglob("*.safetensors"):  # which safetensors makes readable for its owner alone
        path.chmod((folder / CARD).stat().st_mode)
    served = OnnxEncoder(folder)
    served.encode(["one", ""])
    if served.dim != encoder.dim:
        raise InputError(f"{graph} gives {served.dim} dimensions where the encoder has {encoder.dim}")
    if comparator_graph is not None and OnnxComparator(folder / COMPARATOR).dim != encoder.dim:
        raise InputError(f"{comparator_graph} does not take vectors of {encoder.dim} dimensions")


def put_in_place(written: Path, folder: Path, old: Path) -> None:
    """Let a complete folder take the place of one that may be there, which goes to `old`."""
    if folder.exists():
        folder.rename(old)
    try:
        written.rename(folder)
    except OSError:
        if old.exists():
            old.rename(folder)
        raise


def _files(folder: Path) -> list[str]:
    """Relative paths of all files of an artifact folder but its manifest."""
    paths = [path for path in folder.rglob("*") if path.is_file() or path.is_symlink()]
    return sorted({path.relative_to(folder).as_posix() for path in paths} - {MANIFEST})


def sha256_of(path: Path) -> str:
    """A file's sha256, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _versions() -> dict[str, str]:
    try:
        own = importlib.metadata.version("decant")
    except importlib.metadata.PackageNotFoundError:
        own = "not installed"
    return {
        "decant": own,
        "onnx": onnx.__version__,
        "onnxruntime": ort.__version__,
        "torch": torch.__version__,
        "transformers": transformers.__version__,
    }
