"""Distillation of an embedding teacher's vectors into every exit of a student, from texts without labels."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from decant.batches import padded
from decant.errors import InputError
from decant.models.encoder import SentenceEncoder
from decant.models.shared_config import shared_attention
from decant.training.batch_stream import Batch, BatchStream
from decant.training.training import Training
from students.distill.distill_settings import BlockStates, DistillVectorsSettings, States
from students.distill.token_states import SAMPLE, Reader, check_states
from students.nesting.exits import check_pooling
from students.nesting.nesting import Nesting
from teachers.labels.neighbours import neighbour_batches, sketch
from teachers.labels.token_rows import tokenize_rows
from teachers.labels.vector_store import Vectors


def distill_vectors(
    encoder: SentenceEncoder,
    texts: Sequence[str],
    teacher: Vectors,
    dev: Callable[[], float],
    training: Training[DistillVectorsSettings],
    nesting: Nesting,
    dims: tuple[int, ...],
    *,
    live: SentenceEncoder | None = None,
) -> SentenceEncoder:
    """Train every exit of `encoder` in place on the teacher's vectors; return it with the weights best on dev.

    Where the widths differ, the cosine term goes through a linear map an exit, which is dropped after training.

    Args:
        teacher: vectors of the texts, in their order, of any width.
        dev: how well the encoder does, higher is better; asked at the end of each epoch.
        dims: vector lengths that are trained beside the full one.
        live: the teacher itself, where the settings want its token states; its weights stay as they are.

    Raises:
        InputError: fewer texts than a batch, a dim above the width, a pooling that has no exits, or a teacher whose
            token states the student cannot follow.
    """
    from decant.training.fit import fit
    from students.distill.vectors_module import VectorDistillation  # Lightning takes seconds to load

    settings, seed = training.settings, training.seed
    check_pooling(encoder)
    _check_live(settings.states, encoder, live, texts)
    if len(texts) < settings.batch_size:
        raise InputError(f"{len(texts)} texts are fewer than a batch of {settings.batch_size}; give more texts")
    tokens = tokenize_rows(texts, encoder.tokenize, len(encoder.tokenizer))
    lengths = tokens.lengths
    pad_id = int(encoder.tokenizer.pad_token_id)

    def collate(rows: NDArray[np.int64]) -> Batch:
        input_ids, mask = padded([tokens[row] for row in rows], pad_id)
        return {"input_ids": input_ids, "attention_mask": mask, "teacher": torch.from_numpy(teacher.take(rows))}

    draw = None
    if settings.neighbours > 1:
        sketches = sketch(teacher, seed)

        def draw(generator: np.random.Generator) -> list[NDArray[np.int64]]:
            return neighbour_batches(lengths, sketches, settings.neighbours, settings.batch_size, generator)

    stream = BatchStream(lengths, collate, settings.batch_size, seed, draw)
    module = VectorDistillation(encoder, teacher.dim, live, settings, nesting, dims, seed, len(stream))
    fit(module, stream, dev, training, label="student on vectors", given=texts)
    return encoder.eval()


def _check_live(
    states: States | None, encoder: SentenceEncoder, live: SentenceEncoder | None, texts: Sequence[str]
) -> None:
    if states is None:
        return
    if live is None:
        raise InputError("states: they are learned from a teacher that runs beside the student, but none is given")
    if isinstance(states, BlockStates) and not shared_attention(encoder.backbone.config).groups:
        raise InputError("states: kind blocks follows the ends of groups that share a map, but the student has none")
    check_states(states, Reader.of(encoder), Reader.of(live), texts[:: max(1, len(texts) // SAMPLE)])
