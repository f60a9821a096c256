"""Training steps of a nested student: which exits a step trains, and one forward that gives them all."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from decant.errors import InputError
from decant.models.encoder import SentenceEncoder
from students.cuts.cut import at_depth
from students.losses.nested_losses import nested_loss
from students.nesting.exits import encode_exits, exit_states, exit_vectors, pool_exits, unit_slice
from students.nesting.nesting import LastNesting, Nesting, Step, agreement_options, check_nesting, plan_step
from teachers.cross_encoders.cross_encoder import Pair

Array = NDArray[np.float32]


class StepExits:
    """Plans each step from the seed and its number alone, so that a resumed training takes the very same steps.

    Args:
        dims: vector lengths that are trained beside the full one.
    """

    def __init__(self, encoder: SentenceEncoder, nesting: Nesting, dims: Sequence[int], seed: int) -> None:
        self.encoder, self.nesting, self.seed = encoder, nesting, seed
        self.dims = all_dims(encoder.width, dims)
        check_nesting(nesting, len(encoder.depths), self.dims)
        self._shallow: dict[int, SentenceEncoder] = {}

    def plan(self, number: int) -> Step:
        """What step `number` trains."""
        return plan_step(self.nesting, len(self.encoder.depths), self.dims, np.random.default_rng([self.seed, number]))

    def forward(self, step: Step, input_ids: Tensor, attention_mask: Tensor) -> list[Tensor]:
        """Pooled vectors after each layer that the step needs, each float32 [batch, width], not normalised."""
        if self.encoder.static is not None:
            return exit_vectors(self.encoder, input_ids, attention_mask)
        return pool_exits(self.states(step, input_ids, attention_mask), attention_mask, self.encoder)

    def states(self, step: Step, input_ids: Tensor, attention_mask: Tensor) -> list[Tensor]:
        """Token states after each layer that the step needs, each [batch, length, hidden]."""
        encoder = self.encoder
        if step.deepest < encoder.layers:
            if step.deepest not in self._shallow:
                self._shallow[step.deepest] = at_depth(encoder, step.deepest)
            encoder = self._shallow[step.deepest]
        return exit_states(encoder, input_ids, attention_mask)

    def loss(self, exits: Sequence[Tensor], step: Step, base: Callable[[Tensor, int, int], Tensor]) -> Tensor:
        """The step's loss over its exits; `base` gets unit vectors, the layer (from 1) and the dim."""
        return nested_loss(exits, step, base, **agreement_options(self.nesting))


def trained_nesting(encoder: SentenceEncoder, nesting: Nesting | None, keep: float) -> Nesting | None:
    """How a student's exits are trained on pairs or lists; None where nothing but the whole is, without exits.

    Args:
        nesting: as the recipe says.
        keep: weight of the losses to an embedding teacher's vectors, which a static student has without nesting too.
    """
    return nesting or (LastNesting() if keep and encoder.static is not None else None)


def all_dims(width: int, dims: Sequence[int]) -> tuple[int, ...]:
    """The full width of an encoder and the shorter lengths, falling.

    Raises:
        InputError: a length outside 1..width, or one that is given twice.
    """
    wrong = [dim for dim in dims if not 1 <= dim <= width]
    if wrong:
        raise InputError(f"dims {list(dims)}: {wrong[0]} is outside 1..{width}, the width of this encoder's vectors")
    if len(set(dims)) < len(dims):
        raise InputError(f"dims {list(dims)}: a length stands there twice")
    return tuple(sorted({*dims, width}, reverse=True))


def grid_predictions(
    encoder: SentenceEncoder, pairs: Sequence[Pair], dims: Sequence[int], progress: Callable[[int], None] | None = None
) -> dict[tuple[int, int], Array]:
    """Cosines of the pairs at every (layers, dim), each float32 [pairs], from one pass over the texts."""
    texts = list(dict.fromkeys(text for pair in pairs for text in pair))
    row = {text: index for index, text in enumerate(texts)}
    first, second = ([row[pair[side]] for pair in pairs] for side in (0, 1))
    exits = encode_exits(encoder, texts, progress=progress)
    found = {}
    for layer, vectors in zip(encoder.depths, exits, strict=True):
        for dim in dims:
            unit = unit_slice(vectors, dim)
            found[layer, dim] = np.einsum("nd,nd->n", unit[first], unit[second]).astype(np.float32)
    return found


def teacher_agreement(
    encoder: SentenceEncoder, texts: Sequence[str], teacher: Array, dims: Sequence[int]
) -> dict[tuple[int, int], float]:
    """Pearson correlation with the teacher over all pairs of held-out texts, at every (layers, dim); needs no labels.

    Args:
        teacher: unit vectors of the texts, float32 [texts, teacher's dim].
    """
    above = np.triu_indices(len(texts), 1)
    wanted = (teacher @ teacher.T)[above]
    found = {}
    for layer, vectors in zip(encoder.depths, encode_exits(encoder, texts), strict=True):
        for dim in dims:
            unit = unit_slice(vectors, dim)
            found[layer, dim] = float(np.corrcoef((unit @ unit.T)[above], wanted)[0, 1])
    return found
