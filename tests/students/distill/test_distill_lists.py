from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from decant.training.training import Training
from students.distill.distill_lists import ListData, _Batches, calibrated_scale, distill_lists
from students.distill.distill_settings import PairSettings
from students.losses.list_losses import list_kl
from students.losses.loss_weights import ListTemperatures
from students.nesting.nesting import GridNesting
from students.pair_student import Student
from teachers.labels.vector_store import Vectors
from tests.tiny_models import WORDS, tiny_encoder
from tests.tiny_static import tiny_static

NONE = -1
DOCUMENTS = [" ".join(WORDS[start : start + 4]) for start in range(20)]
QUERIES = [" ".join(WORDS[start : start + 2]) for start in range(12)]


class Held:
    """Vectors in memory."""

    def __init__(self, vectors: NDArray[np.float32]) -> None:
        self.vectors, self.dim = vectors, vectors.shape[1]

    def __len__(self) -> int:
        return len(self.vectors)

    def take(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        return self.vectors[rows]


def lists_of(seed: int = 0, vectors: tuple[Vectors, Vectors] | None = None, *, as_cosines: bool = True) -> ListData:
    """Twelve lists of five documents, the first of which is relevant; every third one is a document shorter."""
    generator = np.random.default_rng(seed)
    lists = np.stack([np.append(row, generator.permutation(np.setdiff1d(np.arange(20), row))[:4]) for row in range(12)])
    lists[::3, 4] = NONE
    relevant = np.zeros(lists.shape, bool)
    relevant[:, 0] = True
    scores = generator.normal(size=lists.shape).astype(np.float32)
    scores[lists == NONE] = np.nan
    judged = [np.array([row], np.int32) for row in range(12)]
    limits = np.full(12, np.inf, np.float32)
    return ListData(
        QUERIES, DOCUMENTS, lists.astype(np.int32), relevant, judged, scores, limits, as_cosines, vectors
    )  # fmt: skip


def training(folder: Path, **settings: object) -> Training[PairSettings]:
    given = {"epochs": 30, "batch_size": 4, "learning_rate": 2e-3, "precision": "32-true", "patience": 50} | settings
    return Training(folder, PairSettings.model_validate({"loss": {"kl": 1}} | given), 0)


def divergence(student: Student, data: ListData) -> float:
    present = data.lists >= 0
    queries = student.encoder.encode(list(data.queries))
    documents = student.encoder.encode(list(data.documents))
    cosines = torch.tensor(np.einsum("ld,lsd->ls", queries, documents[data.lists]))
    return list_kl(cosines, torch.tensor(np.nan_to_num(data.scores)), torch.tensor(present), ListTemperatures()).item()


def batches(data: ListData, *, apart: bool = True, kept: bool = False) -> _Batches:
    return _Batches(Student(tiny_encoder()), data, 1.0, kept=kept, apart=apart)


def test_a_batch_holds_each_document_once_and_knows_where_it_stands() -> None:
    data = lists_of()
    made = batches(data)
    batch = made.collate(np.array([0, 3, 4]))
    numbers = np.unique(data.lists[[0, 3, 4]][data.lists[[0, 3, 4]] >= 0])
    assert len(batch["document_ids"]) == len(numbers)
    for row, number in enumerate((0, 3, 4)):
        for column, document in enumerate(data.lists[number]):
            assert bool(batch["present"][row, column]) == (document != NONE)
            if document != NONE:
                assert numbers[batch["place"][row, column]] == document
    tokens = made.documents[int(np.searchsorted(made.used, numbers[2]))]
    assert batch["document_ids"][2, : len(tokens)].tolist() == tokens.tolist()
    read = [made.documents[int(np.searchsorted(made.used, one))] for one in data.lists[0, :4]]
    assert made.lengths[0] == len(made.queries[0]) + sum(map(len, read))


def test_negatives_are_all_of_the_batch_but_what_is_relevant_or_scored_so() -> None:
    data = lists_of()
    data.judged[0] = np.array([0, data.lists[4, 1]], np.int32)  # type: ignore[index]
    data.limits[0] = np.sort(data.scores[0, :4])[2]
    batch = batches(data).collate(np.array([0, 4]))
    numbers = np.unique(data.lists[[0, 4]][data.lists[[0, 4]] >= 0])
    above = {int(data.lists[0, column]) for column in range(4) if data.scores[0, column] > data.limits[0]}
    assert above
    left_out = {0, int(data.lists[4, 1])} | above
    assert {int(one) for one in numbers[~batch["negative"][0].numpy()]} == left_out
    assert {int(one) for one in numbers[~batch["negative"][1].numpy()]} == {4}


def test_an_embedding_teacher_tells_of_documents_of_other_lists_too() -> None:
    generator = np.random.default_rng(1)
    queries, documents = (generator.normal(size=(rows, 6)).astype(np.float32) for rows in (12, 20))
    data = lists_of(vectors=(Held(queries), Held(documents)))
    data.limits[:] = 0.5
    batch = batches(data).collate(np.array([1, 5]))
    numbers = np.unique(data.lists[[1, 5]][data.lists[[1, 5]] >= 0])
    found = (queries[[1, 5]] @ documents[numbers].T <= 0.5) & batch["negative"].numpy()
    assert np.array_equal(found, batch["negative"].numpy())
    alone = batches(data, apart=False).collate(np.array([1, 5]))["negative"].numpy()
    assert alone.sum() > found.sum()


def test_margins_are_taken_to_the_relevant_document_or_else_to_the_teachers_best() -> None:
    data = lists_of()
    data.relevant[2] = False
    batch = batches(data).collate(np.array([0, 2]))
    assert batch["reference"].tolist() == [0, int(data.scores[2].argmax())]


def test_kept_vectors_are_those_of_queries_then_of_documents() -> None:
    queries, documents = np.eye(12, 32, dtype=np.float32), np.eye(20, 32, dtype=np.float32)
    batch = batches(lists_of(vectors=(Held(queries), Held(documents))), kept=True).collate(np.array([3, 7]))
    assert batch["vectors"].shape == (2 + len(batch["document_ids"]), 32)
    assert batch["vectors"][:2].argmax(1).tolist() == [3, 7]


def test_a_teacher_of_another_scale_is_brought_to_the_spread_of_cosines() -> None:
    student, data = Student(tiny_encoder()), lists_of(as_cosines=False)
    scale = calibrated_scale(student, data)
    queries, documents = student.encoder.encode(QUERIES), student.encoder.encode(DOCUMENTS)
    cosines = np.einsum("ld,lsd->ls", queries, documents[data.lists]).astype(np.float64)
    cosines[data.lists == NONE] = np.nan

    def spread(scores: NDArray[np.floating]) -> float:
        return float(np.sqrt(np.nanmean(np.square(scores - np.nanmean(scores, axis=1, keepdims=True)))))

    assert spread(scale * data.scores) == pytest.approx(spread(cosines), rel=1e-4)


@pytest.mark.parametrize("loss", ["kl", "margin_mse", "info_nce"])
def test_every_loss_teaches_the_teachers_order(loss: str, tmp_path: Path) -> None:
    data, student = lists_of(), Student(tiny_encoder())
    if loss == "info_nce":
        data = lists_of()
        data.scores[:, 0] = 3.0
    before = divergence(student, data)
    distill_lists(student, data, training(tmp_path, loss={loss: 1}), lambda: -divergence(student, data))
    assert divergence(student, data) < (0.5 if loss == "kl" else 0.8) * before


def test_every_exit_of_a_nested_student_learns(tmp_path: Path) -> None:
    data, student = lists_of(), Student(tiny_encoder())
    nested = training(tmp_path, nesting=GridNesting(), dims=(16,), epochs=20)
    before = divergence(student, data)
    distill_lists(student, data, nested, lambda: -divergence(student, data))
    assert divergence(student, data) < 0.7 * before


def test_a_static_student_learns_lists_and_keeps_its_teachers_vectors(tmp_path: Path) -> None:
    texts = ["the cat", "a dog", "the mat", "sat on", "dog and cat", "a mat"]
    lists = np.array([[0, 1, 2], [3, 4, 5]], np.int32)
    relevant = np.array([[True, False, False]] * 2)
    scores = np.array([[1.0, 0.0, -1.0], [1.0, 0.0, -1.0]], np.float32)
    vectors = Held(np.eye(2, 8, dtype=np.float32)), Held(np.eye(6, 8, dtype=np.float32))
    judged = [np.array([0], np.int32), np.array([3], np.int32)]
    limits = np.full(2, np.inf, np.float32)
    data = ListData(["cat", "sat"], texts, lists, relevant, judged, scores, limits, True, vectors)
    encoder = tiny_static()
    assert encoder.static is not None
    encoder.static.learn_scales()
    student = Student(encoder)
    before = divergence(student, data)
    learns = training(tmp_path, batch_size=2, learning_rate=5e-2, keep=0.1)
    distill_lists(student, data, learns, lambda: -divergence(student, data))
    assert divergence(student, data) < 0.5 * before


def test_the_same_seed_gives_the_same_student(tmp_path: Path) -> None:
    found = []
    for name in ("one", "two"):
        student = Student(tiny_encoder())
        distill_lists(student, lists_of(), training(tmp_path / name, epochs=2), lambda: 0.0)
        found.append(student.encoder.encode(QUERIES))
    assert np.array_equal(*found)
