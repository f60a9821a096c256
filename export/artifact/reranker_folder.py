"""The folder of a re-ranker: a cross-encoder's graph, its tokenizer, and a manifest of its files.

It holds no weights for torch: those of layers that share attention maps fit no model of transformers, while the graph
is of standard operators. config.json is that of the model's family, as readers of ONNX graphs expect it.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from decant.errors import GateError, InputError
from decant.files import read_object, sha256_of, write_json, written_whole
from decant.models.folder_files import CONFIG, SPECIAL_TOKENS, TOKENIZER, TOKENIZER_CONFIG
from decant.models.prompts import Pair
from decant.models.shared_config import family_config, shared_attention
from export.artifact.bundle import package_versions
from export.artifact.manifest import CARD, GRAPH, MANIFEST, RERANKER, check_files, files_of, is_reranker
from export.artifact.runtime_files import complete_tokenizer
from export.graphs.parity import LOGITS_REMEDY
from export.serve.rerank_session import OnnxReranker
from students.sharing.grouping import maps_computed
from teachers.cross_encoders.cross_folder import Activation, write_activation

if TYPE_CHECKING:  # whoever only reads such a folder needs no torch
    from teachers.cross_encoders.cross_encoder import CrossEncoder

FILES = [CONFIG, TOKENIZER, TOKENIZER_CONFIG, SPECIAL_TOKENS, GRAPH, CARD]
ALONE = 32  # pairs that are scored alone, too


class RerankerManifest(BaseModel):
    """What decant.json says of a re-ranker."""

    model_config = ConfigDict(frozen=True, extra="forbid", serialize_by_alias=True)

    schema_version: int = Field(alias="schema", ge=1, le=1, description="Version of this layout.")
    form: Literal["reranker"] = Field(description="What tells it from a sentence encoder's.")
    name: str = Field(min_length=1, description="The artifact's name.")
    precision: Literal["fp32"] = Field(description="Of the graph.")
    layers: int = Field(ge=1, description="Transformer layers.")
    maps: int = Field(ge=1, description="Attention maps that they compute; the other layers reuse one.")
    outputs: int = Field(ge=1, description="Raw scores a pair: 1, or one a class.")
    max_length: int = Field(ge=1, description="Tokens of a pair, specials included; the longer text is cut first.")
    parameters: int = Field(ge=1, description="Weights of the model.")
    created: str = Field(description="UTC, ISO 8601.")
    versions: dict[str, str] = Field(description="Of the packages that wrote it.")
    recipe_sha256: str | None = Field(description="Hex digest of the resolved recipe.")
    activation: Activation = Field(
        default="identity", description="What puts a raw score on the scale that it was trained on."
    )
    metrics: dict[str, JsonValue] = Field(description="Fractions, 0.8203 for 82.03.")
    largest_difference: float | None = Field(description="Of a raw score to torch's, over the parity pairs.")
    sha256: dict[str, str] = Field(description="Relative path → hex digest, of every other file.")


def check_score_parity(
    candidate: OnnxReranker, pairs: Sequence[Pair], reference: NDArray[np.float32], limit: float
) -> float:
    """Largest absolute difference between the graph's raw scores and torch's, in batches and for pairs alone.

    Args:
        reference: torch's, float32 [pairs] or [pairs, classes].
        limit: the gate.

    Raises:
        GateError: it is above the limit; names the worst pair.
        InputError: there is no pair, or the shapes do not fit.
    """
    batched = candidate.score(pairs)
    if not len(pairs) or batched.shape != reference.shape:
        raise InputError(f"the reference is {list(reference.shape)}, not {list(batched.shape)} of one pair or more")
    alone = np.concatenate([candidate.score([pair]) for pair in pairs[:ALONE]])
    worst = np.abs(batched - reference).reshape(len(pairs), -1).max(1)
    worst[: len(alone)] = np.maximum(
        worst[: len(alone)], np.abs(alone - reference[:ALONE]).reshape(len(alone), -1).max(1)
    )
    row = int(np.argmax(worst))  # a NaN counts as the greatest
    if not worst[row] <= limit:
        shown = " / ".join(text[:40] for text in pairs[row])
        said = f"re-ranker: a score is {worst[row]:.2e} from torch's, above the limit {limit:.2e}: {shown!r}"
        raise GateError(f"{said}; {LOGITS_REMEDY}")
    return float(worst[row])


def write_reranker(
    folder: Path,
    cross: CrossEncoder,
    graph: Path,
    *,
    name: str,
    card: str,
    recipe_sha256: str | None = None,
    metrics: Mapping[str, JsonValue] | None = None,
    largest_difference: float | None = None,
) -> RerankerManifest:
    """Write a re-ranker's folder: whole, or not at all.

    Args:
        folder: replaced if it is a re-ranker already.
        cross: the model that the graph was exported from; its weights are not written.
        graph: by `export_cross_encoder`, copied.
        name: the artifact's name.
        card: the model card, Markdown.
        recipe_sha256: hex digest of the resolved recipe.
        metrics: fractions.
        largest_difference: as `check_score_parity` measured it.

    Raises:
        InputError: the folder holds something else, or the graph is not the cross-encoder's.
    """
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir()) and not is_reranker(folder)):
        raise InputError(f"{folder} is no re-ranker of Decant, so it is not replaced; move it away, or name another")
    with written_whole(folder) as written:
        _write_files(written, cross, graph, card)
        layers = int(cross.model.config.num_hidden_layers)
        manifest = RerankerManifest(
            schema=1,
            form=RERANKER,
            name=name,
            precision="fp32",
            layers=layers,
            maps=maps_computed(shared_attention(cross.model.config).groups, layers),
            outputs=cross.outputs,
            max_length=cross.max_length,
            parameters=sum(parameter.numel() for parameter in cross.parameters()),
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            versions=package_versions(),
            recipe_sha256=recipe_sha256,
            activation=cross.activation,
            metrics=dict(metrics or {}),
            largest_difference=largest_difference,
            sha256={path: sha256_of(written / path) for path in files_of(written)},
        )
        write_json(written / MANIFEST, manifest.model_dump(mode="json"), sort_keys=True)
        verify_reranker(written)
    return manifest


def verify_reranker(folder: Path) -> RerankerManifest:
    """Check that a re-ranker's folder holds what its manifest names, byte for byte, and nothing else.

    Raises:
        InputError: it is none, or names the first file that is missing, changed or not listed.
    """
    if not is_reranker(folder):
        raise InputError(f"{folder} is no re-ranker of Decant: its {MANIFEST} is missing, or of another form")
    try:
        manifest = RerankerManifest.model_validate_json((folder / MANIFEST).read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InputError(f"{folder / MANIFEST}: {where}: {first['msg']}; export the re-ranker again") from error
    check_files(folder, manifest.sha256, FILES)
    return manifest


def _write_files(folder: Path, cross: CrossEncoder, graph: Path, card: str) -> None:
    cross.save(folder)
    for path in folder.glob("*.safetensors*"):
        path.unlink()
    write_activation(folder, "identity")  # its scores are the raw ones, whoever reads it
    write_json(folder / CONFIG, family_config(read_object(folder / CONFIG)), sort_keys=True)
    complete_tokenizer(folder, cross.tokenizer, cross.max_length)
    if not graph.is_file():
        raise InputError(f"{graph} is missing; export the graph first")
    (folder / GRAPH).parent.mkdir()
    shutil.copyfile(graph, folder / GRAPH)
    (folder / CARD).write_text(card.rstrip("\n") + "\n", encoding="utf-8")
    served = OnnxReranker(folder)
    served.score([("one", "two"), ("", "")])
    if served.outputs != cross.outputs:
        raise InputError(f"{graph} gives {served.outputs} scores a pair where the model has {cross.outputs}")
