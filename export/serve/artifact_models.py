"""Artifacts as Python objects: one that encodes texts, and one that scores pairs of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decant.errors import InputError
from decant.files import expand_user
from export.artifact.manifest import verify_artifact
from export.serve.open_encoder import open_encoder


class Encoder:
    """Texts → unit vectors, from an artifact such as runs/NAME/artifacts/L3xD384-int8-static.

    Its files are checked against their sha256 first. It runs as `open_encoder` says: a static student in numpy, a
    float32 graph on an NVIDIA GPU where there is one that onnxruntime can use, every other on the CPU.

    Args:
        folder: the artifact.
        threads: threads that work at a time; all that this process may use, unless given.

    Raises:
        InputError: it is no artifact, or a file of it is missing, changed or damaged.
    """

    def __init__(self, folder: str | Path, threads: int | None = None) -> None:
        place = expand_user(folder)
        self.manifest = verify_artifact(place)
        """What its decant.json says of it."""
        self._graph = open_encoder(place, self.manifest, threads)

    @property
    def dim(self) -> int:
        """Width of a vector."""
        return self._graph.dim

    @property
    def max_length(self) -> int:
        """Tokens of a text, specials included, beyond which it is cut."""
        return self._graph.max_length

    @property
    def prompts(self) -> dict[str, str]:
        """What can stand before a text, by name."""
        return dict(self._graph.prompts.texts)

    def encode(self, texts: Sequence[str], prompt: str | None = None, batch_size: int = 32) -> NDArray[np.float32]:
        """Unit vectors, float32 [texts, dim], in the order of the texts.

        Args:
            texts: any, empty ones too.
            prompt: name of the prompt that each text stands behind; the artifact's default one, unless given.
            batch_size: texts a run at most, 1 or more.

        Raises:
            InputError: a text is no text, or there is no such prompt.
        """
        return self._graph.encode(_listed(texts, "texts"), batch_size, prompt=prompt)


class Reranker:
    """Pairs of texts → scores, from a re-ranker such as runs/NAME/artifacts/reranker.

    Args:
        folder: the re-ranker; its files are checked against their sha256 first.
        threads: as of `Encoder`.

    Raises:
        InputError: it is no re-ranker, or a file of it is missing, changed or damaged.
    """

    def __init__(self, folder: str | Path, threads: int | None = None) -> None:
        from export.artifact.reranker_folder import verify_reranker
        from export.serve.rerank_session import OnnxReranker

        place = expand_user(folder)
        self.manifest = verify_reranker(place)
        """What its decant.json says of it."""
        self._graph = OnnxReranker(place, threads)

    @property
    def classes(self) -> tuple[str, ...]:
        """What the scores of a pair stand for, in their order; none where it is not known."""
        return tuple(self._graph.classes)

    @property
    def max_length(self) -> int:
        """Tokens of a pair, specials included; the longer text is cut first."""
        return self._graph.max_length

    def score(self, pairs: Sequence[tuple[str, str]], batch_size: int = 32) -> NDArray[np.float32]:
        """Raw scores, float32 [pairs], or [pairs, classes], in the order of the pairs.

        Args:
            pairs: the query first.
            batch_size: pairs a run at most, 1 or more.
        """
        return self._graph.score(_listed(pairs, "pairs"), batch_size)

    def rank(self, query: str, texts: Sequence[str]) -> list[tuple[int, float]]:
        """Places in `texts` and their scores, the best first; of equal scores the earlier place.

        Raises:
            InputError: the re-ranker tells classes apart, so that no score is the best.
        """
        if self._graph.outputs != 1:
            raise InputError(f"this re-ranker gives {self._graph.outputs} scores a pair, one a class; use score")
        scores = self.score([(query, text) for text in _listed(texts, "texts")])
        return [(int(place), float(scores[place])) for place in np.argsort(-scores, kind="stable")]


def _listed(given: Sequence[Any], what: str) -> Sequence[Any]:
    if isinstance(given, str):
        raise InputError(f"{what}: give a list of them, not one text")
    return given
