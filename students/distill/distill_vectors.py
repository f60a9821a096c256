"""Distillation of an embedding teacher's vectors into every exit of a student, from texts without labels."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, model_validator

from decant.batches import padded
from decant.errors import InputError
from decant.models.encoder import SentenceEncoder
from decant.models.shared_config import shared_attention
from decant.training.batch_stream import Batch, BatchStream
from decant.training.optimizer import FitSettings
from decant.training.training import Training
from students.distill.token_states import SAMPLE, BlockStates, Reader, States, check_states
from students.losses.vector_losses import VectorWeights
from students.nesting.exits import check_pooling
from students.nesting.nesting import Nesting
from teachers.labels.neighbours import neighbour_batches, sketch
from teachers.labels.token_rows import tokenize_rows
from teachers.labels.vector_store import Vectors

DEFAULTS = VectorWeights()


class DistillVectorsSettings(FitSettings, frozen=True, extra="forbid"):
    """How a student learns a teacher's vectors; the losses are summed at every exit of a step."""

    epochs: int = Field(2, ge=0, le=1000, description="passes over the texts; 0 skips this training")
    learning_rate: float = Field(2.0e-4, gt=0, lt=1, description="peak of AdamW's learning rate")
    batch_size: int = Field(64, ge=4, le=4096, description="texts a batch; their similarities are what is learned")
    neighbours: int = Field(
        1,
        ge=1,
        le=4096,
        description="texts of a group that the teacher finds alike, 1 to batch_size; a batch holds whole groups",
    )
    similarity_kl: float = Field(
        DEFAULTS.similarity_kl, ge=0, description="weight of the KL of the in-batch similarity matrix"
    )
    temperature: float = Field(DEFAULTS.temperature, gt=0, description="of that KL's softmax")
    similarity_mse: float = Field(
        DEFAULTS.similarity_mse, ge=0, description="weight of the squared error of the similarity matrix"
    )
    cosine: float = Field(
        DEFAULTS.cosine, ge=0, description="weight of 1 - cosine to the teacher's vector, at full width"
    )
    states: States | None = Field(
        None, discriminator="kind", description="follow the teacher's token states too; default: its vectors alone"
    )

    @model_validator(mode="after")
    def _groups_fit(self) -> DistillVectorsSettings:
        if self.neighbours > self.batch_size:
            raise ValueError(
                f"neighbours: groups of {self.neighbours} do not fit into a batch of {self.batch_size}; "
                "lower neighbours, or raise batch_size"
            )
        return self

    @property
    def weights(self) -> VectorWeights:
        """Of the losses on the vectors."""
        return VectorWeights(self.similarity_kl, self.similarity_mse, self.cosine, self.temperature)


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
