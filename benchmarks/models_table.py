"""docs/models.md: every kind of model folder, and how far Decant follows it.

    python benchmarks/models_table.py --out docs/models.md
    python benchmarks/models_table.py --out docs/models.md --certify labse,e5,embedding-gemma,qwen3-embedding

Tiny random models of each kind are saved by sentence-transformers; both libraries encode the same 50 texts, each alone.
A student is made of each for a few steps, saved, and read by sentence-transformers; and each is exported and compared
with torch. --certify names those that are also run in the runtimes themselves, which installs them first.
"""

from __future__ import annotations

import argparse
import logging
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer, __version__
from transformers.utils import logging as transformers_logging

from decant.errors import DecantError, InputError
from decant.models.check_embedder import check_embedder, check_start
from decant.models.embedder import load_embedder
from decant.models.encoder import SentenceEncoder
from decant.models.prompts import Prompts
from decant.training.training import Training
from export.artifact.bundle import ArtifactFacts, write_artifact
from export.graphs.to_onnx import export_encoder
from export.serve.session import OnnxEncoder
from pipeline.measure.certification import certify_artifact
from pipeline.screen.console import Screen
from students.cuts.cut import cut
from students.distill.distill_settings import DistillVectorsSettings
from students.distill.distill_vectors import distill_vectors
from students.nesting.exits import check_pooling
from students.nesting.nesting import GridNesting
from tests.model_zoo import KINDS, REFUSED, TEXTS, Kind, Refused
from tests.model_zoo.followed import ALONE

RUNTIMES = ("onnxruntime", "sentence-transformers", "sentence-transformers-onnx", "fastembed", "transformers.js")
SHOWN = [text for text in TEXTS if text.strip()][:32]
Array = NDArray[np.float32]


class _Held:
    """Vectors that lie in memory."""

    def __init__(self, vectors: Array) -> None:
        self._vectors = vectors
        self.dim = int(vectors.shape[1])

    def __len__(self) -> int:
        return len(self._vectors)

    def take(self, rows: NDArray[np.int64]) -> Array:
        """The vectors of these numbers."""
        return self._vectors[rows]


def main() -> None:
    """Write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--certify", default="", help="kinds to run in the runtimes, with commas")
    parser.add_argument("--only", default="", help="kinds, with commas; default: all")
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    only, certified = set(filter(None, options.only.split(","))), set(filter(None, options.certify.split(",")))
    rows, counts = [], {"right": 0, "refused": 0, "wrong": 0}
    for kind in KINDS:
        if only and kind.name not in only:
            continue
        row, outcome = _row(kind, kind.name in certified)
        counts[outcome] += 1
        rows.append(row)
        print(row, flush=True)
    refused = [_refused(kind) for kind in REFUSED if not only and kind.name not in ALONE]
    options.out.write_text(_page(rows, refused, counts), encoding="utf-8")
    print(f"{options.out}: {counts}")


def _row(kind: Kind, certified: bool) -> tuple[str, str]:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / kind.name
        kind.build(folder)
        try:
            check_embedder(folder)
            own = load_embedder(folder)
        except InputError as error:
            return f"| {kind.name} | {kind.what} | refused: {_reason(error, folder)} | | | |", "refused"
        least = _least(folder, own.encode)
        figure = f"{least:.6f}"
        try:
            check_start(folder)
            start = SentenceEncoder.load(folder)
            _check_prompts(start)
        except InputError as error:
            return f"| {kind.name} | {kind.what} | {figure} | no: {_reason(error, folder)} | | |", _outcome(least)
        taught = _taught(folder, Path(scratch))
        exported, artifact = _exported(start, kind.name, Path(scratch))
        ran = _certified(artifact) if certified and artifact is not None else ""
        return f"| {kind.name} | {kind.what} | {figure} | {taught} | {exported} | {ran} |", _outcome(least)


def _outcome(least: float) -> str:
    return "right" if least >= 0.99999 else "wrong"


def _check_prompts(start: SentenceEncoder) -> None:
    if start.prompts.any and not start.include_prompt:
        raise InputError("its pooling leaves the prompt out, which no graph can; a student learns under prompts: none")


def _least(folder: Path, encode: object, prompts: Prompts | None = None) -> float:
    """The least cosine to sentence-transformers over the texts, each encoded alone."""
    peer = SentenceTransformer(str(folder), device="cpu", local_files_only=True, model_kwargs={"dtype": torch.float32})
    found = encode(TEXTS)  # type: ignore[operator]
    cosines = []
    for text, vector in zip(TEXTS, found, strict=True):
        try:
            expected = np.asarray(peer.encode([text])[0], np.float64)
        except (RuntimeError, IndexError, ValueError):
            continue  # a text without a token, which the library cannot encode by itself
        length = float(np.linalg.norm(expected) * np.linalg.norm(vector))
        cosines.append(float(expected @ vector) / length if length else float(not expected.any() and not vector.any()))
    return min(cosines)


def _taught(folder: Path, scratch: Path) -> str:
    """A student of the kind, taught its own vectors at every depth for a few steps, cut to two layers."""
    try:
        student = SentenceEncoder.load(folder, for_training=True, dropout=0.0)
        if not student.prompts.any:
            student.include_prompt = True
        student = student.for_cosine()
        check_pooling(student)
        teacher = _Held(student.encode(SHOWN))
        settings = DistillVectorsSettings(epochs=1, batch_size=8, learning_rate=1e-3, precision="32-true")
        with _quiet():
            training = Training(scratch / "training", settings, 0)
            distill_vectors(student, SHOWN, teacher, lambda: 0.0, training, GridNesting(), ())
        smaller = cut(student, min(2, student.layers))
        smaller.save(scratch / "student")
        return f"{_least(scratch / 'student', smaller.encode):.6f}"
    except DecantError as error:
        return f"no: {_reason(error, folder)}"


def _exported(encoder: SentenceEncoder, name: str, scratch: Path) -> tuple[str, Path | None]:
    """The least cosine of the graph's vectors to torch's, and the artifact."""
    graph, artifact = scratch / "model.onnx", scratch / "artifact"
    try:
        export_encoder(encoder, graph)
        write_artifact(artifact, encoder, graph, ArtifactFacts(name, "fp32", f"# {name}"))
    except DecantError as error:
        return f"no: {_reason(error, scratch)}", None
    texts = [text for text in TEXTS if encoder.tokenize([text]) != [[encoder.tokenizer.pad_token_id]]]
    cosines = np.einsum("td,td->t", OnnxEncoder(artifact).encode(texts), encoder.encode(texts))
    return f"{cosines.min():.6f}", artifact


def _certified(artifact: Path) -> str:
    records = certify_artifact(artifact, list(RUNTIMES), None, 0.999, Screen(quiet=True))
    return "; ".join(
        f"{name} {record.status}{f' {record.min_cosine:.6f}' if record.min_cosine is not None else ''}"
        for name, record in records.items()
    )


def _refused(kind: Refused) -> str:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / kind.name
        kind.build(folder)
        try:
            check_embedder(folder)
            load_embedder(folder).encode(SHOWN)
        except InputError as error:
            return f"| {kind.name} | {kind.what} | {_reason(error, folder)} |"
    return f"| {kind.name} | {kind.what} | **not refused** |"


def _reason(error: Exception, folder: Path) -> str:
    said = str(error).replace(f"{folder}/", "").replace(f"{folder}: ", "").replace(str(folder), "the folder")
    return said.split("; albert, ")[0].replace("|", "\\|")


@contextmanager
def _quiet() -> Iterator[None]:
    level = logging.getLogger("lightning.pytorch").level
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    try:
        yield
    finally:
        logging.getLogger("lightning.pytorch").setLevel(level)


def _page(rows: Sequence[str], refused: Sequence[str], counts: dict[str, int]) -> str:
    head = f"""# Which model folders are followed

Made by `python benchmarks/models_table.py`. Every kind is a tiny random model that sentence-transformers {__version__}
saved; both libraries encode the same {len(TEXTS)} texts, each text alone, in float32.

- **least cosine**: of our vectors to those of sentence-transformers.
- **trained from**: a student of the kind is taught for a few steps, cut to two layers and saved; the least cosine of
  its vectors here to those that sentence-transformers gives of its folder.
- **exported**: the least cosine of the ONNX graph's vectors to torch's.
- **in runtimes**: what `decant certify` found, behind the prompts that the artifact states.

{counts["right"]} kinds are right, {counts["wrong"]} are wrong, {counts["refused"]} are refused by what they are.
"""
    table = ["| kind | what it is | least cosine | trained from | exported | in runtimes |", "| --- " * 6 + "|", *rows]
    parts = [head, "\n".join(table)]
    if refused:
        parts.append("\n## Folders that are no such model\n\nEach is refused in one line, by `decant validate` too.\n")
        parts.append("\n".join(["| kind | what it is | what is said |", "| --- " * 3 + "|", *refused]))
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    main()
