"""Who labels the parts of a set: this process, one part after another, or several workers at once."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Item = TypeVar("Item")  # a text or a pair
Progress = Callable[[int], None]  # called with the number of items done since its last call
Label = Callable[[Sequence[Item], Progress], NDArray[np.float32]]
# parts, progress → the number of a part, from 0, and its labels, in the order in which parts are done
Labelled = Generator[tuple[int, NDArray[np.float32]], None, None]
LabelParts = Callable[[Iterable[Sequence[Item]], Progress], Labelled]


def in_turn(label: Label[Item]) -> LabelParts[Item]:
    """One part after another, in this process."""

    def one_after_another(parts: Iterable[Sequence[Item]], progress: Progress) -> Labelled:
        for number, part in enumerate(parts):
            yield number, label(part, progress)

    return one_after_another
