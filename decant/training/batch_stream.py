"""The batches of a training, epoch after epoch, the same again after a kill."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from decant.batches import bucketed_batches
from decant.training.gather_rows import ROWS, share, world

Batch = dict[str, Tensor]


class BatchStream:
    """The batches of every epoch, each drawn from its seed and epoch alone; one iteration gives one epoch.

    In several processes each gets its share of every batch, which then holds ROWS, as `gather_rows` has it.

    Args:
        lengths: tokens of each row.
        collate: row numbers → a batch.
        draw: an epoch's random numbers → its batches, as many in every epoch; default: of like length.
    """

    def __init__(
        self, lengths: Sequence[int] | NDArray[np.int64], collate: Callable[[NDArray[np.int64]], Batch],
        batch_size: int, seed: int,
        draw: Callable[[np.random.Generator], list[NDArray[np.int64]]] | None = None,
    ) -> None:  # fmt: skip
        self.lengths, self.collate, self.seed = lengths, collate, seed
        self.draw = draw or (lambda generator: bucketed_batches(lengths, batch_size, generator))
        self.epoch, self.skip = 0, 0

    @cached_property
    def _length(self) -> int:
        return len(self.batches(0))

    def __len__(self) -> int:
        return self._length

    def batches(self, epoch: int) -> list[NDArray[np.int64]]:
        """Row numbers of each batch of this epoch."""
        return self.draw(np.random.default_rng([self.seed, epoch]))

    def start_at(self, epoch: int, batch: int) -> None:
        """Let the next iteration begin at this batch of this epoch."""
        self.epoch, self.skip = epoch, batch

    def __iter__(self) -> Iterator[Batch]:
        # a generator, so that the probing iter() of Lightning, never read from, uses up no epoch and no skip
        rows = self.batches(self.epoch)[self.skip :]
        self.epoch, self.skip = self.epoch + 1, 0
        for batch in rows:
            if world() == 1:
                yield self.collate(batch)
            else:
                yield self.collate(share(batch)) | {ROWS: torch.empty(len(batch), 0)}
