"""What the command line does with one artifact folder; a tampered one is refused first."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from decant.errors import InputError
from decant.extras import missing_extra
from decant.models.prompts import Prompted
from decant.models.similarity import cosines, pair_vectors
from export.artifact.manifest import COMPARATOR, is_reranker, verify_artifact
from export.artifact.reranker_folder import verify_reranker
from export.graphs.parity import check_parity
from export.graphs.probe_texts import texts_of_every_length
from export.graphs.vector_kinds import VectorKind
from export.serve.providers import CPU
from export.serve.rerank_session import OnnxReranker
from export.serve.session import OnnxComparator, OnnxEncoder
from pipeline.measure.evaluate import evaluate
from pipeline.texts.numbers import label_number
from pipeline.texts.quoting import Quoting
from pipeline.texts.source import Source, read_rows

PROBES = [
    "How do I reset my password?",
    "The quick brown fox jumps over the lazy dog.",
    "Rain is expected in the north tomorrow.",
    "A man is playing a guitar on the street while people walk by.",
]
ENCODED_LINES = 4096


def evaluate_artifact(
    folder: Path, file: Path, first: str, second: str, label: str, threads: int | None = None,
    prompts: tuple[str | None, str | None] = (None, None), quoting: Quoting | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Spearman and Pearson of the artifact's scores on a file of pairs with numeric labels.

    Args:
        prompts: names of either side's; None: the default one.

    Raises:
        InputError: the artifact is not as exported, or a row of the file has no text or no number.
    """
    verify_artifact(folder)
    pairs, labels, name = read_labelled(file, first, second, label, quoting)
    encoder = OnnxEncoder(folder, threads)
    scores = score_pairs(encoder, folder, given_pairs(encoder, pairs, prompts), threads)
    metrics = evaluate("regression", labels, {"artifact": scores})["artifact"]
    return {
        "artifact": str(folder), "file": name, "pairs": len(pairs), "spearman": metrics.spearman,
        "pearson": metrics.pearson, "ci95": list(metrics.ci95),
    }  # fmt: skip


def read_labelled(
    file: Path, first: str, second: str, label: str, quoting: Quoting | None = None
) -> tuple[list[tuple[str, str]], NDArray[np.float64], str]:
    """Pairs, their labels, float64 [pairs], and the file's name.

    Args:
        file: of pairs.
        first: column of the first text.
        second: column of the second text.
        label: column of the label.
        quoting: of a .tsv or .csv file; default: found out.

    Raises:
        InputError: the file cannot be read, a row has no text or no number, or all labels are the same.
    """
    pairs, written, name = read_pairs(file, first, second, label, quoting)
    labels = np.array([label_number(one, name, number) for number, one in enumerate(written, start=1)])
    if len(set(labels.tolist())) < 2:
        raise InputError(f"{name}: every label is the same, so no correlation can be measured")
    return pairs, labels, name


def read_pairs(
    file: Path, first: str, second: str, label: str, quoting: Quoting | None = None
) -> tuple[list[tuple[str, str]], list[str | None], str]:
    """Pairs, their labels as they are written, and the file's name; arguments as in `read_labelled`.

    Raises:
        InputError: the file cannot be read, or a row has no text.
    """
    rows, name = read_rows(Source(path=str(file.resolve()), quoting=quoting), Path(), (first, second, label))
    pairs = [
        (_text(row[first], name, number), _text(row[second], name, number)) for number, row in enumerate(rows, start=1)
    ]
    return pairs, [row[label] for row in rows], name


def given_pairs(
    encoder: OnnxEncoder, pairs: Sequence[tuple[str, str]], prompts: tuple[str | None, str | None]
) -> Sequence[tuple[str, str]]:
    """The pairs behind prompts of the artifact, by their names; behind its default one for None.

    Raises:
        InputError: there is no such prompt.
    """
    if prompts == (None, None):
        return pairs
    before = [encoder.prompts.given(one) for one in prompts]
    return [(Prompted(before[0] + first), Prompted(before[1] + second)) for first, second in pairs]


def score_pairs(
    encoder: OnnxEncoder, folder: Path, pairs: Sequence[tuple[str, str]], threads: int | None = None
) -> NDArray[np.float32]:
    """An artifact's scores, float32 [pairs]: cosines, or the logits of its comparator where it has one.

    Args:
        encoder: of the artifact's graph.
        folder: the artifact.
        pairs: two texts each.
        threads: of the comparator.

    Raises:
        InputError: its comparator tells classes apart.
    """
    scores = pair_logits(encoder, folder, pairs, threads)
    if scores.ndim != 1:
        raise InputError(f"{folder} tells {scores.shape[1]} classes apart; graded scores are measured here")
    return scores


def pair_logits(
    encoder: OnnxEncoder, folder: Path, pairs: Sequence[tuple[str, str]], threads: int | None = None
) -> NDArray[np.float32]:
    """As `score_pairs`, but float32 [pairs, classes] where the comparator tells classes apart."""
    vectors = pair_vectors(pairs, encoder.encode)
    if not (folder / COMPARATOR).is_file():
        return cosines(*vectors)
    logits = OnnxComparator(folder / COMPARATOR, threads).logits(*vectors)
    return logits[:, 0] if logits.shape[1] == 1 else logits


def encode_lines(
    folder: Path, lines: BinaryIO, out: BinaryIO, format_: str, batch_size: int = 32, threads: int | None = None,
    vectors: VectorKind = "float32", prompt: str | None = None,
) -> None:  # fmt: skip
    """Encode each line; `npy` writes one matrix [lines, dim], `jsonl` one JSON list a line as it goes.

    Raises:
        InputError: the artifact is not as exported or does not give such vectors, or a line is not UTF-8.
    """
    made_for_cpus = verify_artifact(folder).precision != "fp32"
    encoder = OnnxEncoder(folder, threads, providers=CPU if made_for_cpus else None)

    def encode(texts: list[str]) -> NDArray[Any]:
        if vectors == "float32":
            return encoder.encode(texts, batch_size, prompt=prompt)
        return encoder.encode_small(texts, vectors, batch_size, prompt=prompt)

    whole: list[NDArray[Any]] = [encode([])]  # tells of vectors that are not there before the first line is read
    batch: list[str] = []

    def flush() -> None:
        if not batch:
            return
        found = encode(batch)
        batch.clear()
        if format_ == "npy":
            whole.append(found)
        else:
            out.writelines(json.dumps([round(x, 7) for x in row.tolist()]).encode() + b"\n" for row in found)

    for number, line in enumerate(lines, start=1):
        try:
            batch.append(line.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n"))
        except UnicodeDecodeError as error:
            raise InputError(f"line {number} of the input is not UTF-8") from error
        if len(batch) == ENCODED_LINES:
            flush()
    flush()
    if format_ == "npy":
        matrix = np.concatenate(whole)
        np.lib.format.write_array_header_1_0(out, np.lib.format.header_data_from_array_1_0(matrix))
        out.write(matrix.tobytes())  # np.save asks for a place in the file, which a pipe may not have
    out.flush()


def verify_parity(folder: Path) -> dict[str, Any]:
    """Check the manifest, then the graph against the folder's own float32 weights in PyTorch, where that is installed.

    Raises:
        InputError: a file is missing, changed or not listed.
        GateError: the graph's vectors are not torch's.
    """
    if is_reranker(folder):
        scorer = verify_reranker(folder)
        OnnxReranker(folder).score([(PROBES[0], text) for text in PROBES])
        return {"artifact": str(folder), "files": len(scorer.sha256), "precision": scorer.precision}
    manifest = verify_artifact(folder)
    served = OnnxEncoder(folder)
    probes = texts_of_every_length(PROBES, served.tokenize, served.max_length, 1)
    reference, missing = _torch_vectors(folder, probes)
    if reference is None:  # the graph is compared with itself alone
        reference = np.concatenate([served.embed([ids]) for ids in served.tokenize(probes)])
    parity = check_parity(served, probes, reference, manifest.precision)
    return {
        "artifact": str(folder), "files": len(manifest.sha256), "precision": manifest.precision,
        "texts": parity.texts, **({"not_compared": missing} if missing else {"min_cosine": parity.min_cosine}),
        "batch_invariance": min(parity.batch_invariance, parity.padding_invariance),
    }  # fmt: skip


def _torch_vectors(folder: Path, texts: Sequence[str]) -> tuple[NDArray[np.float32] | None, str]:
    """The vectors by the folder's own weights, float32 [texts, dim]; or None, and what there is to install."""
    try:
        from decant.models.encoder import SentenceEncoder
    except ModuleNotFoundError as error:
        missing = missing_extra(error)
        if missing is None:
            raise
        return None, missing
    return SentenceEncoder.load(folder).encode(texts), ""


def _text(value: str | None, name: str, row: int) -> str:
    if value is None or not value.strip():
        raise InputError(f"{name}, row {row} has an empty text")
    if "\ufffd" in value:
        raise InputError(f"{name}, row {row} is not UTF-8")
    return value.strip()
