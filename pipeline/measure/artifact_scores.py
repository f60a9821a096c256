"""How an artifact scores pairs of texts: by the cosine of its vectors, by its comparator, or as a re-ranker does."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from decant.errors import GateError, InputError
from decant.models.prompts import Prompted
from decant.models.similarity import cosines, pair_vectors
from export.artifact.manifest import COMPARATOR
from export.serve.session import OnnxComparator
from pipeline.measure.classification import one_score

if TYPE_CHECKING:
    from export.serve.open_encoder import Session


def given_pairs(
    encoder: Session, pairs: Sequence[tuple[str, str]], prompts: tuple[str | None, str | None]
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
    encoder: Session, folder: Path, pairs: Sequence[tuple[str, str]], threads: int | None = None
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
        raise InputError(f"{folder} tells {scores.shape[1]} classes apart; one score a pair is measured here")
    return scores


def pair_logits(
    encoder: Session, folder: Path, pairs: Sequence[tuple[str, str]], threads: int | None = None
) -> NDArray[np.float32]:
    """As `score_pairs`, but float32 [pairs, classes] where the comparator tells classes apart."""
    vectors = pair_vectors(pairs, encoder.encode)
    if not (folder / COMPARATOR).is_file():
        return cosines(*vectors)
    logits = OnnxComparator(folder / COMPARATOR, threads).logits(*vectors)
    return logits[:, 0] if logits.shape[1] == 1 else logits


def reranker_scores(
    folder: Path, pairs: Sequence[tuple[str, str]], *, classes: int = 0, on_scale: bool = False,
    threads: int | None = None,
) -> NDArray[np.float32]:  # fmt: skip
    """A re-ranker's scores, float32 [pairs], of one that tells classes apart [pairs, classes].

    Args:
        folder: of the re-ranker.
        pairs: two texts each.
        classes: how many are told apart; below three, one score a pair is wanted.
        on_scale: by the sigmoid, of a regression that was trained under one.
        threads: of the graph.

    Raises:
        InputError: one score a pair is wanted, and it gives more.
    """
    from export.serve.rerank_session import OnnxReranker

    scores = OnnxReranker(folder, threads).score(pairs)
    if classes < 3:
        scores = one_score(scores)
        if scores.ndim != 1:
            raise InputError(f"{folder} tells {scores.shape[1]} classes apart; one score a pair is measured here")
    if not on_scale:
        return scores
    from scipy.special import expit  # as of the correlations, which need it too

    return np.asarray(expit(scores), np.float32)


def checked_scores(folder: Path, scores: NDArray[np.float32], classes: int) -> NDArray[np.float32]:
    """Scores that a task can be judged by.

    Args:
        folder: of what gave them, for the message.
        scores: [pairs] or [pairs, classes].
        classes: of a multi-class task; 0 for other tasks.

    Raises:
        InputError: there is not one score a class.
        GateError: some are not finite.
    """
    found = scores.shape[1] if scores.ndim == 2 else 1
    if classes and found != classes:
        raise InputError(f"{folder} gives {found} scores a pair, not one of each of {classes} classes")
    lost = int(np.sum(~np.isfinite(scores.reshape(len(scores), -1)).all(axis=1)))
    if lost:
        raise GateError(f"the scores of {lost} of {len(scores)} pairs are not finite")
    return scores
