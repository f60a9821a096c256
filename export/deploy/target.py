"""The runtimes that a folder can be written for, and which artifacts each of them can serve."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from tokenizers import Tokenizer

from decant.errors import InputError
from decant.files import read_object
from decant.models.folder_files import CONFIG, POOLING_FOLDER, TOKENIZER, TOKENIZER_CONFIG
from decant.models.no_code import check_no_code
from decant.models.pooling_kind import CONCAT_TOP_MEAN
from decant.models.shared_config import is_shared
from export.artifact.bundle import COMPARATOR, Manifest

Target = Literal["ort", "st", "tei", "fastembed", "transformers.js", "triton", "openvino"]
TARGETS: tuple[Target, ...] = get_args(Target)
POOLED_BY_MOST = ("mean", "cls")  # what every runtime that pools by itself can do
POOLED_BY_THE_GRAPH: tuple[Target, ...] = ("ort", "triton", "openvino")  # they run a graph as it is, any graph
CUT_AT_THE_RIGHT: tuple[Target, ...] = ("tei", "fastembed", "transformers.js")  # wherever tokenizer.json says to cut


@dataclass(frozen=True)
class Model:
    """An artifact, as a layout needs to know it.

    Args:
        folder: the artifact.
        manifest: its decant.json.
        pad_token: what shorter texts of a batch are padded with.
        pad_id: its number.
        suffix: ids that end every text, such as [SEP]'s.
    """

    folder: Path
    manifest: Manifest
    pad_token: str
    pad_id: int
    suffix: tuple[int, ...]

    @property
    def comparator(self) -> bool:
        """Whether a head that compares two vectors belongs to it."""
        return COMPARATOR in self.manifest.sha256

    @property
    def shared(self) -> bool:
        """Whether its layers share attention maps, so that torch loaders other than ours refuse its weights."""
        return is_shared(self.folder)

    @property
    def pools_here(self) -> bool:
        """As `is_pooled_by_runtimes` says of its manifest."""
        return is_pooled_by_runtimes(self.manifest)

    @property
    def width(self) -> int:
        """Width of the token states that sentence-transformers pools; the graph's may be cut to fewer."""
        return int(read_object(self.folder / POOLING_FOLDER / CONFIG)["word_embedding_dimension"])


def is_pooled_by_runtimes(manifest: Manifest) -> bool:
    """Whether a runtime that pools the token states by itself gets the vector; else it must take the graph's."""
    return manifest.pools_last and manifest.pooling in POOLED_BY_MOST


def target_of(name: str) -> Target:
    """The target of this name.

    Raises:
        InputError: there is none.
    """
    for target in TARGETS:
        if target == name:
            return target
    raise InputError(f"--for {name}: choose one of {', '.join(TARGETS)}")


def read_model(folder: Path, manifest: Manifest) -> Model:
    """What layouts need to know of a verified artifact.

    Raises:
        InputError: its files ask the runtime for code of their own.
    """
    check_no_code(folder)
    tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
    pad = read_object(folder / TOKENIZER_CONFIG)["pad_token"]
    token = pad["content"] if isinstance(pad, dict) else pad
    empty, short = tokenizer.encode("").ids, tokenizer.encode("a").ids
    shared = 0
    while shared < len(empty) and empty[-1 - shared] == short[-1 - shared]:
        shared += 1
    pad_id = tokenizer.token_to_id(token)
    assert pad_id is not None, "an artifact is run before it is written"
    return Model(folder, manifest, token, pad_id, tuple(empty[len(empty) - shared :]))


def check_served(model: Model, target: Target) -> None:
    """Refuse an artifact that a runtime would serve wrongly.

    Raises:
        InputError: names what the runtime lacks, and which can serve it.
    """
    others = f", so it cannot serve it; {', '.join(POOLED_BY_THE_GRAPH)} can"
    if target not in POOLED_BY_THE_GRAPH:
        if target == "st" and model.manifest.static and not model.manifest.sentence_transformers:
            raise InputError(
                f"sentence-transformers and model2vec read no table in 4 bits, as this artifact has{others}"
            )
        if model.manifest.pooling == CONCAT_TOP_MEAN:
            raise InputError(f"{target} has no pooling like this artifact's concat_top_mean{others}")
        if target == "tei" and not model.pools_here:
            what = f"{model.manifest.pooling} pooling" if model.manifest.pools_last else "modules after the pooling"
            raise InputError(f"{target} has no {what}, as this artifact has{others}")
        if model.comparator:
            raise InputError(f"{target} cannot run the comparator that scores this artifact's pairs{others}")
    side = read_object(model.folder / TOKENIZER_CONFIG).get("truncation_side", "right")
    if target in CUT_AT_THE_RIGHT and side != "right":
        raise InputError(f"{target} cuts long texts at the right, this artifact at the {side}{others}")
    if target == "transformers.js" and len(model.suffix) > 1:
        raise InputError(f"{target} would cut off the {len(model.suffix)} tokens that end a long text{others}")
