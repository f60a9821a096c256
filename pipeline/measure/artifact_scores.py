"""How an artifact scores pairs of texts: by the cosine of its vectors, or by its comparator."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decant.errors import InputError
from decant.models.prompts import Prompted
from decant.models.similarity import cosines, pair_vectors
from export.artifact.manifest import COMPARATOR, verify_artifact
from export.serve.session import OnnxComparator, OnnxEncoder
from pipeline.measure.evaluate import Examples, evaluate
from pipeline.texts.labelled_pairs import read_labelled
from pipeline.texts.quoting import Quoting


def evaluate_artifact(
    folder: Path,
    file: Path,
    columns: tuple[str, str, str],
    threads: int | None = None,
    prompts: tuple[str | None, str | None] = (None, None),
    quoting: Quoting | None = None,
) -> dict[str, Any]:
    """Spearman and Pearson of the artifact's scores on a file of pairs with numeric labels.

    Args:
        folder: the artifact.
        file: of labelled pairs.
        columns: names of the first text, the second text and the label.
        threads: of its graphs.
        prompts: names of either side's; None: the default one.
        quoting: of a .tsv or .csv file; default: found out.

    Raises:
        InputError: the artifact is not as exported, or a row of the file has no text or no number.
    """
    verify_artifact(folder)
    pairs, labels, name = read_labelled(file, *columns, quoting)
    encoder = OnnxEncoder(folder, threads)
    scores = score_pairs(encoder, folder, given_pairs(encoder, pairs, prompts), threads)
    metrics = evaluate(Examples("regression", labels), {"artifact": scores})["artifact"]
    return {
        "artifact": str(folder), "file": name, "pairs": len(pairs), "spearman": metrics.spearman,
        "pearson": metrics.pearson, "ci95": list(metrics.ci95),
    }  # fmt: skip


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
