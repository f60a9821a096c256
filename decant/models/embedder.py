"""Any model that gives a vector for a text: a transformer, a table of token vectors, or several, one a kind of text."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from decant.errors import InputError
from decant.models.encoder import SentenceEncoder
from decant.models.layout import Chain, Layout, Similarity, read_layout
from decant.models.prompts import Prompts, PromptText
from decant.models.reference import resolve_model
from decant.models.static_encoder import StaticEncoder


class Embedder(Protocol):
    """What teachers, students and peers have in common."""

    prompts: Prompts
    unit: bool
    similarity: Similarity

    @property
    def dim(self) -> int:
        """Width of a vector."""
        ...

    def encode(
        self, texts: Sequence[str], batch_size: int = 32, progress: Callable[[int], None] | None = None, *,
        prompt: str | None = None, unit: bool = True,
    ) -> NDArray[np.float32]:  # fmt: skip
        """Vectors, float32 [texts, dim], in the order of the texts; arguments as of `SentenceEncoder.encode`."""
        ...


class RoutedEncoder:
    """A road for each kind of text, as sentence-transformers' Router has them: a prompt's name is the road's name too.

    Args:
        roads: name → its encoder; all give vectors of one width.
        default: the road of a text that none is named for; None: one must be named.
    """

    def __init__(self, roads: Mapping[str, Embedder], default: str | None, layout: Layout) -> None:
        dims = {name: one.dim for name, one in roads.items()}
        if len(set(dims.values())) > 1:
            raise InputError(f"{layout.folder}: its roads give vectors of different widths: {dims}")
        self._roads, self._default, self._folder = dict(roads), default, layout.folder
        self.roads = tuple(roads)
        self.prompts, self.similarity = layout.prompts, layout.similarity
        self.unit = all(one.unit for one in roads.values())
        self.dim = next(iter(dims.values()))

    def encode(
        self, texts: Sequence[str], batch_size: int = 32, progress: Callable[[int], None] | None = None, *,
        prompt: str | None = None, unit: bool = True,
    ) -> NDArray[np.float32]:  # fmt: skip
        """Vectors, float32 [texts, dim]; `prompt` names the road too, where there is one of this name.

        Raises:
            InputError: no road is named, and there is no default one.
        """
        road = prompt if prompt in self._roads else self._default
        if road is None:
            raise InputError(f"{self._folder}: name a road for the texts as their prompt; {', '.join(self._roads)}")
        before = self.prompts.texts.get(prompt, "") if prompt in self._roads else self.prompts.given(prompt)
        return self._roads[road].encode(texts, batch_size, progress, prompt=PromptText(before), unit=unit)


def load_embedder(reference: str | Path, max_length: int | None = None, **options: Any) -> Embedder:
    """The embedding model of a reference, exactly as its folder says.

    Args:
        max_length: tokens of a text; default: the folder's.
        options: as of `SentenceEncoder.load`.

    Raises:
        InputError: the reference cannot be loaded, or says what is not followed.
    """
    layout = read_layout(resolve_model(reference))
    roads = {name: _load(layout, chain, max_length, options) for name, chain in layout.chains.items()}
    return next(iter(roads.values())) if len(roads) == 1 else RoutedEncoder(roads, layout.default_route, layout)


def _load(layout: Layout, chain: Chain, max_length: int | None, options: Mapping[str, Any]) -> Embedder:
    if chain.body.kind == "static":
        return StaticEncoder.load(layout, chain)
    return SentenceEncoder.from_chain(layout, chain, max_length, **options)
