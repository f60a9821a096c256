"""The artifact folder: one model in every form that runtimes expect, and a manifest of its files."""

from __future__ import annotations

import copy
import importlib
import importlib.metadata
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import JsonValue

from decant.errors import InputError
from decant.files import sha256_of, write_json, written_whole
from decant.models.folder_files import MODULES
from decant.models.table_folder import StaticTable
from export.artifact.manifest import CARD as CARD
from export.artifact.manifest import COMPARATOR as COMPARATOR
from export.artifact.manifest import EVERY_ARTIFACT as EVERY_ARTIFACT
from export.artifact.manifest import GRAPH as GRAPH
from export.artifact.manifest import MANIFEST as MANIFEST
from export.artifact.manifest import SENTENCE_TRANSFORMERS as SENTENCE_TRANSFORMERS
from export.artifact.manifest import Manifest as Manifest
from export.artifact.manifest import files_of
from export.artifact.manifest import read_manifest as read_manifest
from export.artifact.manifest import verify_artifact as verify_artifact
from export.artifact.runtime_files import complete_tokenizer
from export.artifact.static_artifact import check_graph_of_table, write_table
from export.graphs.parity import Precision
from export.serve.session import OnnxComparator, OnnxEncoder

if TYPE_CHECKING:  # a folder is read, copied and put in place without torch
    from decant.models.encoder import SentenceEncoder

WRITERS = ("onnx", "onnxruntime", "torch", "transformers")


@dataclass(frozen=True)
class ArtifactFacts:
    """What an artifact says of itself beyond what its encoder and graph show.

    Args:
        name: the artifact's.
        precision: of the graph.
        card: the model card, Markdown.
        recipe_sha256: hex digest of the resolved recipe.
        metrics: fractions, 0.8203 for 82.03.
        parity: figures of the comparison with torch.
        classes: of the task's labels, in its order; none of a regression.
    """

    name: str
    precision: Precision
    card: str
    recipe_sha256: str | None = None
    metrics: Mapping[str, JsonValue] = field(default_factory=dict)
    parity: Mapping[str, float] | None = None
    classes: tuple[str, ...] = ()


def write_artifact(
    folder: Path,
    encoder: SentenceEncoder | StaticTable,
    graph: Path,
    facts: ArtifactFacts,
    *,
    comparator_graph: Path | None = None,
    openvino: Path | None = None,
) -> Manifest:
    """Write an artifact folder: whole, or not at all.

    Its vectors are of unit length, to be compared by cosine, whatever the encoder's own are.

    An encoder with `concat_top_mean` pooling has no counterpart in sentence-transformers: its folder has no
    modules.json, so that it is not loaded wrongly. One whose layers share attention maps is refused there, and by
    transformers, as of a model type that they do not know. A static student in int4 has no counterpart either.

    Args:
        folder: replaced if it is an artifact already.
        encoder: float32 weights and tokenizer that the graph was exported from; of a static student its table.
        graph: its exported graph, copied.
        comparator_graph: copied beside the graph as comparator.onnx.
        openvino: a folder of its IR, copied as openvino/.

    Raises:
        InputError: the folder holds something else, or a graph does not fit the encoder.
    """
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir()) and not (folder / MANIFEST).is_file()):
        raise InputError(f"{folder} is no artifact of Decant, so it is not replaced; move it away, or name another")
    with written_whole(folder) as written:
        if isinstance(encoder, StaticTable):
            write_table(written, encoder, facts.precision)
        else:
            copy.copy(encoder).for_cosine().save(written)
            complete_tokenizer(written, encoder.tokenizer, encoder.max_length)
        _write_graphs(written, graph, facts.card, encoder.dim, comparator_graph)
        if isinstance(encoder, StaticTable):
            check_graph_of_table(written, graph)
        if openvino is not None:
            shutil.copytree(openvino, written / "openvino")
        manifest = Manifest(
            schema=1,
            name=facts.name,
            precision=facts.precision,
            dim=encoder.dim,
            max_length=encoder.max_length,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            versions=package_versions(),
            prompts=dict(encoder.prompts.texts),
            default_prompt=encoder.prompts.default,
            recipe_sha256=facts.recipe_sha256,
            classes=facts.classes,
            metrics=dict(facts.metrics),
            parity=dict(facts.parity) if facts.parity is not None else None,
            sha256={path: sha256_of(written / path) for path in files_of(written)},
            **_of_encoder(encoder, has_modules=(written / MODULES).is_file()),
        )
        write_json(written / MANIFEST, manifest.model_dump(mode="json"), sort_keys=True)
        verify_artifact(written)
    return manifest


def _of_encoder(encoder: SentenceEncoder | StaticTable, *, has_modules: bool) -> dict[str, Any]:
    """What the manifest says of layers, pooling and weights, and whether sentence-transformers can load them."""
    if isinstance(encoder, StaticTable):
        facts = {"layers": 0, "pooling": "mean", "parameters": encoder.rows.size}
        return {**facts, "sentence_transformers": has_modules}
    from students.sharing.share_maps import stores_shared_maps

    return {
        "layers": encoder.layers,
        "pooling": encoder.pooling,
        "parameters": sum(parameter.numel() for parameter in encoder.parameters()),
        "pools_last": encoder.pools_last,
        "sentence_transformers": has_modules and not stores_shared_maps(encoder),
    }


def _write_graphs(folder: Path, graph: Path, card: str, dim: int, comparator_graph: Path | None) -> None:
    """Add graphs and card to the model files, and run them."""
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
    if served.dim != dim:
        raise InputError(f"{graph} gives {served.dim} dimensions where the encoder has {dim}")
    if comparator_graph is not None and OnnxComparator(folder / COMPARATOR).dim != dim:
        raise InputError(f"{comparator_graph} does not take vectors of {dim} dimensions")


def package_versions() -> dict[str, str]:
    """Of what writes an artifact."""
    try:
        own = importlib.metadata.version("decant")
    except importlib.metadata.PackageNotFoundError:
        own = "not installed"
    return {
        "decant": own,
        **{name: importlib.import_module(name).__version__ for name in WRITERS},
    }
