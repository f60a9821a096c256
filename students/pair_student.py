"""Student: an encoder, and a comparator where scores are not the cosine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from decant.models.encoder import SentenceEncoder
from students.distill.comparator import SHAPE, Comparator
from teachers.cross_encoders.cross_encoder import Pair

Vectors = NDArray[np.float32]
COMPARE_ROWS = 4096


class Student(nn.Module):
    """Pairs → scores through one vector a text."""

    def __init__(self, encoder: SentenceEncoder, comparator: Comparator | None = None) -> None:
        super().__init__()
        self.encoder, self.comparator = encoder, comparator

    def predict(self, pairs: Sequence[Pair]) -> NDArray[np.float32]:
        """Cosines [pairs], or the comparator's logits: [pairs] for one output, else [pairs, outputs]."""
        first, second = pair_vectors(pairs, self.encoder.encode)
        return cosines(first, second) if self.comparator is None else self.compare(first, second)

    @torch.inference_mode()
    def compare(self, first: Vectors, second: Vectors) -> NDArray[np.float32]:
        """The comparator's logits for vectors [pairs, dim] of the two sides."""
        assert self.comparator is not None
        device = next(self.comparator.parameters()).device
        logits = np.zeros((len(first), self.comparator.outputs), np.float32)
        for start in range(0, len(first), COMPARE_ROWS):
            rows = slice(start, start + COMPARE_ROWS)
            u, v = (torch.from_numpy(vectors[rows]).to(device) for vectors in (first, second))
            logits[rows] = self.comparator(u, v).float().cpu().numpy()
        return logits[:, 0] if self.comparator.outputs == 1 else logits

    def save(self, folder: Path) -> None:
        """An encoder folder that sentence-transformers loads, and the comparator beside it."""
        self.encoder.save(folder)
        if self.comparator is not None:
            self.comparator.save(folder)

    @classmethod
    def load(cls, folder: Path) -> Student:
        """What `save` wrote."""
        comparator = Comparator.load(folder) if (folder / SHAPE).is_file() else None
        return cls(SentenceEncoder.load(folder), comparator).eval()


def pair_vectors(
    pairs: Sequence[Pair], encode: Callable[[Sequence[str]], Vectors],
    encode_second: Callable[[Sequence[str]], Vectors] | None = None,
) -> tuple[Vectors, Vectors]:  # fmt: skip
    """Vectors of both sides, each [pairs, dim]; a text that stands in several pairs is encoded once.

    Args:
        encode_second: of the second sides, where they are read in another way than the first.
    """
    if encode_second is not None:
        first, second = zip(*pairs, strict=True) if pairs else ((), ())
        found = []
        for side, way in ((first, encode), (second, encode_second)):
            number = {text: index for index, text in enumerate(dict.fromkeys(side))}
            found.append(way(list(number))[[number[text] for text in side]])
        return found[0], found[1]
    texts = list(dict.fromkeys(text for pair in pairs for text in pair))
    row = {text: index for index, text in enumerate(texts)}
    vectors = encode(texts)
    return vectors[[row[first] for first, _ in pairs]], vectors[[row[second] for _, second in pairs]]


def cosines(first: Vectors, second: Vectors) -> NDArray[np.float32]:
    """Row-wise dot products of unit vectors, float32 [pairs]."""
    return np.einsum("nd,nd->n", first, second).astype(np.float32)
