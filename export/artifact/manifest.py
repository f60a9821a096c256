"""decant.json, the manifest of an artifact folder: what it says, and whether the folder holds just that.

Nothing of torch is loaded: whoever only reads, copies or serves an artifact waits for it no longer than for its files.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from decant.errors import InputError
from decant.files import sha256_of
from decant.models.folder_files import (
    CONFIG,
    MODULES,
    NORMALIZE_FOLDER,
    POOLING_FOLDER,
    READING,
    SETTINGS,
    SPECIAL_TOKENS,
    TOKENIZER,
    TOKENIZER_CONFIG,
    WEIGHTS,
)
from decant.models.pooling_kind import PoolingKind
from export.certify.record import RuntimeRecord
from export.graphs.parity import Precision

MANIFEST, GRAPH, COMPARATOR, CARD = "decant.json", "onnx/model.onnx", "onnx/comparator.onnx", "README.md"
RERANKER: Final = "reranker"  # what a manifest's `form` is, of a folder that scores pairs
EVERY_ARTIFACT = [
    CONFIG, TOKENIZER, TOKENIZER_CONFIG, SPECIAL_TOKENS,
    READING, WEIGHTS, GRAPH, CARD,
]  # fmt: skip
SENTENCE_TRANSFORMERS = [
    MODULES, f"{POOLING_FOLDER}/{CONFIG}", f"{NORMALIZE_FOLDER}/{CONFIG}", SETTINGS,
]  # fmt: skip


class Manifest(BaseModel):
    """What decant.json says of an artifact."""

    model_config = ConfigDict(frozen=True, extra="forbid", serialize_by_alias=True)

    schema_version: int = Field(alias="schema", ge=1, le=1, description="Version of this layout.")
    name: str = Field(min_length=1, description="The artifact's name.")
    precision: Precision = Field(
        description="Of the ONNX graph, and of a static student's table; else model.safetensors is float32."
    )
    pooling: PoolingKind = Field(description="How token states become one vector.")
    layers: int = Field(ge=0, description="Transformer layers; 0 of a static student, a table of token vectors.")
    dim: int = Field(ge=1, description="Width of the vectors.")
    max_length: int = Field(ge=1, description="Tokens of a text, specials included, beyond which it is cut.")
    parameters: int = Field(ge=1, description="Weights of the encoder.")
    created: str = Field(description="UTC, ISO 8601.")
    versions: dict[str, str] = Field(description="Of the packages that wrote it.")
    prompts: dict[str, str] = Field(default={}, description="What stands before a text, by the name of its kind.")
    default_prompt: str | None = Field(default=None, description="Name of the prompt of a text that names none.")
    similarity: Literal["cosine"] = Field(default="cosine", description="How its vectors are compared.")
    pools_last: bool = Field(
        default=True, description="Whether pooling last_hidden_state gives the vector; else a runtime must take it."
    )
    recipe_sha256: str | None = Field(description="Hex digest of the resolved recipe.")
    classes: tuple[str, ...] = Field(
        default=(), description="Of the labels that it was measured on, in its order; of two the second is positive."
    )
    metrics: dict[str, JsonValue] = Field(description="Fractions, 0.8203 for 82.03.")
    parity: dict[str, int | float] | None = Field(description="Figures of the comparison with torch.")
    certificate: dict[str, RuntimeRecord] = Field(default={}, description="Runtime → what came of loading it there.")
    sentence_transformers: bool = Field(description="Whether sentence-transformers can load the folder.")
    sha256: dict[str, str] = Field(description="Relative path → hex digest, of every other file.")

    @property
    def static(self) -> bool:
        """Whether it is a static student: a table of token vectors without layers."""
        return self.layers == 0


def verify_artifact(folder: Path) -> Manifest:
    """Check that an artifact folder holds what contract and manifest name, byte for byte, and nothing else.

    Raises:
        InputError: names the first file that is missing, changed or not listed.
    """
    manifest = read_manifest(folder)
    check_files(
        folder, manifest.sha256, EVERY_ARTIFACT + (SENTENCE_TRANSFORMERS if manifest.sentence_transformers else [])
    )
    return manifest


def check_files(folder: Path, digests: Mapping[str, str], required: Sequence[str]) -> None:
    """Check that a folder holds the required files and those of the digests, byte for byte, and nothing else.

    Raises:
        InputError: names the first file that is missing, changed or not listed.
    """
    listed, present = set(digests), set(files_of(folder))
    linked = next((path for path in sorted(present) if (folder / path).is_dir()), None)
    if linked is not None:
        raise InputError(f"{folder / linked} is a link to a folder, whose files nothing vouches for; copy them here")
    for path in sorted((listed | set(required)) - present):
        raise InputError(f"{folder / path} is missing: the artifact is incomplete; copy or export it again")
    for path in sorted(present - listed):
        raise InputError(f"{folder / path} is not listed in {MANIFEST}: remove it, or export again")
    for path, digest in sorted(digests.items()):
        if sha256_of(folder / path) != digest:
            raise InputError(f"{folder / path} was changed: its sha256 differs; copy or export it again")


def read_manifest(folder: Path) -> Manifest:
    """The manifest of an artifact folder; its files are not looked at.

    Raises:
        InputError: there is none, or it is not of this layout.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise InputError(f"{folder} is no artifact of Decant: {MANIFEST} is missing")
    if is_reranker(folder):
        raise InputError(f"{folder} is a re-ranker, which scores pairs and gives no vectors; name a sentence encoder")
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise InputError(f"{path}: {where}: {first['msg']}; export the artifact again") from error


def is_reranker(folder: Path) -> bool:
    """Whether the manifest is of a re-ranker, as `export.artifact.reranker_folder` writes it."""
    path = folder / MANIFEST
    try:
        stated = json.loads(path.read_bytes()) if path.is_file() else {}
    except (ValueError, RecursionError):
        return False
    return isinstance(stated, dict) and stated.get("form") == RERANKER


def files_of(folder: Path) -> list[str]:
    """Relative paths of all files of an artifact folder but its manifest."""
    paths = [path for path in folder.rglob("*") if path.is_file() or path.is_symlink()]
    return sorted({path.relative_to(folder).as_posix() for path in paths} - {MANIFEST})
