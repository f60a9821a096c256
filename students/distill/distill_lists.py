"""Distillation of lists of documents, one a query, that a teacher has scored."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np
import torch
from numpy.typing import NDArray

from decant.batches import padded
from decant.training.batch_stream import Batch, BatchStream
from decant.training.training import Training
from students.distill.distill_settings import PairSettings
from students.losses.loss_weights import ListLoss, ListTemperatures
from students.nesting.nested import StepExits, trained_nesting
from students.pair_student import Student
from teachers.labels.token_rows import tokenize_rows
from teachers.labels.vector_store import Vectors

CALIBRATED_LISTS = 256
Array = NDArray[np.float32]


@dataclass(frozen=True)
class ListData:
    """Lists, and what is known of their documents.

    Args:
        queries: of each list, as the student reads it.
        documents: all of them, likewise.
        lists: numbers of the documents of each list, -1 where it is shorter, int32 [lists, size].
        relevant: which were judged relevant, bool [lists, size].
        judged: of each list the numbers of all documents that were judged relevant to its query, in the list or not.
        scores: the teacher's, float32 [lists, size]; NaN where no document is.
        limits: of each list the score above which a document is no negative, float32 [lists].
        as_cosines: whether the scores are cosines; else margins are put on the scale of cosines first.
        vectors: the embedding teacher's, of the queries and of all documents.
    """

    queries: Sequence[str]
    documents: Sequence[str]
    lists: NDArray[np.int32]
    relevant: NDArray[np.bool_]
    judged: Sequence[NDArray[np.int32]]
    scores: Array
    limits: Array
    as_cosines: bool
    vectors: tuple[Vectors, Vectors] | None = None


def distill_lists(
    student: Student, data: ListData, training: Training[PairSettings], dev: Callable[[], float],
    *, label: str = "student on lists",
) -> Student:  # fmt: skip
    """Train `student` in place and return it with the weights that were best on dev.

    A document that stands in several lists of a batch is encoded once. With an embedding teacher, documents of other
    lists that it finds as relevant as the own ones are no negatives; a cross-encoder is asked of the list's own alone.

    Args:
        dev: how well the student ranks, higher is better; asked at the end of each epoch.
        label: what the progress bar calls the training.
    """
    from decant.training.fit import fit
    from students.distill.lists_module import ListDistillation  # Lightning takes seconds to load

    settings, seed, encoder = training.settings, training.seed, student.encoder
    losses = {name: settings.loss[name] for name in get_args(ListLoss) if name in settings.loss}
    nesting = trained_nesting(encoder, settings.nesting, settings.keep)
    scale = 1.0 if data.as_cosines or "margin_mse" not in losses else calibrated_scale(student, data)
    batches = _Batches(
        student, data, scale, kept=bool(settings.keep) and nesting is not None, apart="info_nce" in losses
    )
    stream = BatchStream(batches.lengths, batches.collate, settings.batch_size, seed)
    exits = None if nesting is None else StepExits(encoder, nesting, settings.dims, seed)
    temperatures = ListTemperatures(settings.list_temperature, settings.teacher_temperature)
    module = ListDistillation(student, losses, temperatures, settings, len(stream), exits, settings.keep)
    fit(module, stream, dev, training, label=f"{label} (seed {seed})", given=data.queries)
    return student.eval()


def calibrated_scale(student: Student, data: ListData) -> float:
    """What brings the teacher's scores to the spread of the student's cosines within a list, before any training.

    The ratio of the two standard deviations around each list's mean, over the first lists.
    """
    lists = data.lists[:CALIBRATED_LISTS]
    present = lists >= 0
    used, place = np.unique(lists[present], return_inverse=True)
    queries = student.encoder.encode(data.queries[: len(lists)])
    documents = student.encoder.encode([data.documents[number] for number in used])
    cosines = np.full(lists.shape, np.nan)
    cosines[present] = (queries[np.nonzero(present)[0]] * documents[place]).sum(axis=1)
    spreads = [_spread(one) for one in (cosines, data.scores[: len(lists)].astype(np.float64))]
    return spreads[0] / spreads[1] if spreads[1] > 0 else 1.0


def _spread(scores: NDArray[np.float64]) -> float:
    centred = scores - np.nanmean(scores, axis=1, keepdims=True)
    return float(np.sqrt(np.nanmean(np.square(centred))))


class _Batches:
    """Makes batches of lists.

    Args:
        scale: of the teacher's scores.
        kept: whether they hold the embedding teacher's vectors.
        apart: whether that teacher is asked which documents of other lists are negatives.
    """

    def __init__(self, student: Student, data: ListData, scale: float, *, kept: bool, apart: bool) -> None:
        self.data, self.scale = data, np.float32(scale)
        self.kept, self.apart = kept and data.vectors is not None, apart
        encoder = student.encoder
        self.pad_id = int(encoder.tokenizer.pad_token_id)
        self.used = np.unique(data.lists[data.lists >= 0])
        self.queries = tokenize_rows(data.queries, encoder.tokenize, len(encoder.tokenizer))
        texts = (data.documents[number] for number in self.used)
        self.documents = tokenize_rows(texts, encoder.tokenize, len(encoder.tokenizer))

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens of each list."""
        each = np.append(self.documents.lengths, 0)  # the last one is of what is not there
        places = np.where(self.data.lists >= 0, np.searchsorted(self.used, self.data.lists), len(self.used))
        return np.asarray(self.queries.lengths + each[places].sum(axis=1), np.int64)

    def collate(self, rows: NDArray[np.int64]) -> Batch:
        """The lists of these numbers."""
        data, lists = self.data, self.data.lists[rows]
        present = lists >= 0
        numbers, found = np.unique(lists[present], return_inverse=True)
        place = np.zeros(lists.shape, np.int64)
        place[present] = found
        scores = np.where(present, data.scores[rows], 0).astype(np.float32)
        best = np.where(present, scores, -np.inf).argmax(axis=1)
        reference = np.where(data.relevant[rows].any(axis=1), data.relevant[rows].argmax(axis=1), best)
        batch = {
            "place": place, "teacher": scores * self.scale, "present": present, "reference": reference,
            "relevant": data.relevant[rows], "negative": self._negative(rows, numbers, place),
        }  # fmt: skip
        query_ids, query_mask = padded([self.queries[row] for row in rows], self.pad_id)
        texts = [self.documents[row] for row in np.searchsorted(self.used, numbers)]
        document_ids, document_mask = padded(texts, self.pad_id)
        tensors = {name: torch.from_numpy(np.ascontiguousarray(value)) for name, value in batch.items()}
        tensors |= {"query_ids": query_ids, "query_mask": query_mask}
        tensors |= {"document_ids": document_ids, "document_mask": document_mask}
        if self.kept and data.vectors is not None:
            of_queries, of_documents = data.vectors
            taught = np.concatenate([of_queries.take(rows), of_documents.take(numbers.astype(np.int64))])
            tensors["vectors"] = torch.from_numpy(taught)
        return tensors

    def _negative(
        self, rows: NDArray[np.int64], numbers: NDArray[np.int32], place: NDArray[np.int64]
    ) -> NDArray[np.bool_]:
        """Which documents of the batch are negatives of each query, bool [lists, documents]."""
        data, limits = self.data, self.data.limits[rows, None]
        negative = np.ones((len(rows), len(numbers)), bool)
        if self.apart and data.vectors is not None and data.as_cosines:
            of_queries, of_documents = data.vectors
            negative &= of_queries.take(rows) @ of_documents.take(numbers.astype(np.int64)).T <= limits
        present, scores = data.lists[rows] >= 0, data.scores[rows]
        left_out = present & (data.relevant[rows] | (np.where(present, scores, -np.inf) > limits))
        negative[np.nonzero(left_out)[0], place[left_out]] = False
        for row, number in enumerate(rows):
            negative[row, np.isin(numbers, data.judged[number])] = False
        return negative
