"""Student: an encoder, and a comparator where scores are not the cosine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from decant.models.encoder import SentenceEncoder
from decant.models.similarity import cosines, pair_vectors
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
