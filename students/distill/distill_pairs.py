"""Distillation of a cross-encoder's scores into a bi-encoder (DSE), and into plain cosines for serving."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from decant.batches import padded
from decant.errors import InputError
from decant.models.encoder import SentenceEncoder
from decant.models.prompts import Prompts
from decant.training.batch_stream import Batch, BatchStream
from decant.training.training import Training
from students.cuts.start import shrink
from students.distill.comparator import Comparator
from students.distill.distill_settings import DistillSettings, PairSettings
from students.losses.pair_losses import check_losses
from students.nesting.exits import check_pooling
from students.nesting.nested import StepExits, all_dims, trained_nesting
from students.nesting.nesting import LastNesting, trained_dims
from students.pair_student import Student
from students.static.start_table import begin_learning
from students.static.static_settings import StaticSettings
from teachers.cross_encoders.fine_tune import PairData
from teachers.labels.token_rows import number_texts, texts_at, tokenize_rows
from teachers.labels.vector_store import Vectors

Array = NDArray[np.float32]


def new_student(
    reference: str | Path,
    outputs: int,
    settings: DistillSettings | StaticSettings,
    seed: int,
    shrink_on: Sequence[str] = (),
    shrink_seed: int = 0,
    listed: Sequence[str] = (),
    prompts: Prompts | None = None,
) -> Student:
    """A student with the pretrained weights of `reference` and, in comparator form, an untrained head.

    Args:
        seed: of the head.
        prompts: that it learns under, in place of the folder's.
        shrink_on: texts to choose tokens, neurons and groups by; none: `reference` is taken to be shrunk already.
        shrink_seed: of that choice, one for all the students of a soup: they must keep the same neurons and groups.
        listed: texts whose tokens are kept too.
    """
    if isinstance(settings, StaticSettings):
        return _static_student(reference, settings, prompts)
    encoder = SentenceEncoder.load(
        reference, settings.max_length, settings.pooling, dropout=settings.dropout, for_training=True
    ).for_cosine(prompts)
    if shrink_on:
        encoder = shrink(
            encoder, settings.layers, settings.ffn_width, shrink_on, shrink_seed, settings.vocabulary, listed,
            settings.sharing,
        )  # fmt: skip
        encoder.add_exit_layers(settings.exit_layers)
    if settings.nesting is not None:
        check_pooling(encoder)
    if settings.form == "cosine":
        if outputs != 1:
            raise InputError("form: cosine gives one score a pair, but the task has classes; use form: comparator")
        nesting = settings.nesting or LastNesting()
        check_losses(settings.loss, trained_dims(nesting, all_dims(encoder.width, settings.dims)))
        return Student(encoder)
    torch.manual_seed(seed)
    return Student(encoder, Comparator(encoder.dim, outputs, settings.hidden))


def _static_student(reference: str | Path, settings: StaticSettings, prompts: Prompts | None) -> Student:
    encoder = SentenceEncoder.load(reference).for_cosine(prompts)
    begin_learning(encoder, settings.words)
    dims = all_dims(encoder.width, settings.dims)
    check_losses(settings.loss, trained_dims(settings.nesting or LastNesting(), dims))
    return Student(encoder)


def distill(
    student: Student,
    data: PairData,
    targets: Array,
    training: Training[PairSettings],
    *,
    alpha: float,
    dev: Callable[[], float] | None = None,
    vectors: Vectors | None = None,
    label: str = "student",
) -> Student:
    """Train `student` in place and return it with the weights that were best on dev.

    Args:
        data: its predictions are the student's.
        targets: the teacher's, float32 [pairs, outputs]: raw logits for the comparator, scores on the labels'
            scale for the cosine.
        alpha: weight of the teacher against the labels, in place of the settings' own.
        dev: what decides which epoch is best, where it is not the whole student's metric.
        vectors: the embedding teacher's, of the distinct texts of the pairs in the order of their first standing.
        label: what the progress bar calls the training.
    """
    from decant.training.fit import fit
    from students.distill.pairs_module import Distillation  # Lightning takes seconds to load

    settings, seed = training.settings, training.seed
    sides, places = number_texts(data.pairs)
    tokens = tokenize_rows(texts_at(data.pairs, places), student.encoder.tokenize, len(student.encoder.tokenizer))
    nesting = trained_nesting(student.encoder, settings.nesting, settings.keep)
    kept = vectors if settings.keep and nesting is not None else None
    pad_id = int(student.encoder.tokenizer.pad_token_id)

    def collate(rows: NDArray[np.int64]) -> Batch:
        first_ids, first_mask = padded([tokens[text] for text in sides[rows, 0]], pad_id)
        second_ids, second_mask = padded([tokens[text] for text in sides[rows, 1]], pad_id)
        batch = {
            "first_ids": first_ids,
            "first_mask": first_mask,
            "second_ids": second_ids,
            "second_mask": second_mask,
            "targets": torch.from_numpy(targets[rows]),
            "labels": torch.from_numpy(data.labels[rows]),
        }
        if kept is None:
            return batch
        return batch | {"vectors": torch.from_numpy(kept.take(sides[rows].T.ravel().astype(np.int64)))}

    def whole() -> float:
        return data.dev_metric(student.predict(data.dev_pairs))

    lengths = tokens.lengths[sides].sum(axis=1)
    stream = BatchStream(lengths, collate, settings.batch_size, seed)
    exits = None if nesting is None else StepExits(student.encoder, nesting, settings.dims, seed)
    module = Distillation(student, data.kind, settings.loss, alpha, settings, len(stream), exits, settings.keep)
    said = f"{label} (seed {seed}, alpha {alpha:g})"
    fit(module, stream, dev or whole, training, label=said, given=data.pairs)
    return student.eval()
