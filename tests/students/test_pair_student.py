from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer

from students import pair_student as student_module
from students.distill.comparator import Comparator
from students.pair_student import Student, cosines, pair_vectors
from tests.tiny_models import tiny_encoder

PAIRS = [
    ("a dog runs", "the cat sits"),
    ("a dog runs", "a dog runs"),
    ("the cat sits", "water in the river"),
    ("", "a dog runs"),
]


def tiny_student(outputs: int | None = None) -> Student:
    encoder = tiny_encoder("bert", num_hidden_layers=2)
    torch.manual_seed(1)
    return Student(encoder, None if outputs is None else Comparator(encoder.dim, outputs, 16)).eval()


def test_prediction_is_the_cosine() -> None:
    student = tiny_student()
    expected = []
    for first, second in PAIRS:
        u, v = student.encoder.encode([first])[0].astype(np.float64), student.encoder.encode([second])[0]
        expected.append(u @ v / np.linalg.norm(u) / np.linalg.norm(v))
    scores = student.predict(PAIRS)
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores, expected, atol=1e-5)
    assert scores[1] == pytest.approx(1, abs=1e-6)


def test_each_text_is_encoded_once() -> None:
    asked: list[list[str]] = []

    def encode(texts: Sequence[str]) -> NDArray[np.float32]:
        asked.append(list(texts))
        return np.array([[len(text), 1] for text in texts], np.float32)

    first, second = pair_vectors(PAIRS, encode)
    assert asked == [["a dog runs", "the cat sits", "water in the river", ""]]
    assert first[:, 0].tolist() == [10, 10, 12, 0]
    assert second[:, 0].tolist() == [12, 10, 18, 10]


def test_cosines_are_row_wise() -> None:
    u, v = np.array([[1, 0], [0.6, 0.8]], np.float32), np.array([[0, 1], [0.8, 0.6]], np.float32)
    np.testing.assert_allclose(cosines(u, v), [0, 0.96], atol=1e-6)


@pytest.mark.parametrize(("outputs", "shape"), [(1, (4,)), (3, (4, 3))])
def test_prediction_of_the_comparator(outputs: int, shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    student = tiny_student(outputs)
    assert student.comparator is not None
    first, second = ([pair[side] for pair in PAIRS] for side in (0, 1))
    u, v = (torch.from_numpy(student.encoder.encode(texts)) for texts in (first, second))
    expected = student.comparator(u, v).detach().numpy().reshape(shape)
    np.testing.assert_allclose(student.predict(PAIRS), expected, atol=1e-5)
    monkeypatch.setattr(student_module, "COMPARE_ROWS", 3)
    np.testing.assert_allclose(student.predict(PAIRS), expected, atol=1e-5)


@pytest.mark.parametrize("outputs", [None, 1, 3])
def test_saved_and_loaded_is_equal(tmp_path: Path, outputs: int | None) -> None:
    student = tiny_student(outputs)
    student.save(tmp_path)
    loaded = Student.load(tmp_path)
    assert (loaded.comparator is None) == (outputs is None)
    assert not loaded.training
    np.testing.assert_allclose(loaded.predict(PAIRS), student.predict(PAIRS), atol=1e-6)


def test_sentence_transformers_serves_it(tmp_path: Path) -> None:
    student = tiny_student(outputs=1)
    student.save(tmp_path)
    texts = [first for first, _ in PAIRS]
    served = SentenceTransformer(str(tmp_path), device="cpu", local_files_only=True).encode(texts)
    np.testing.assert_allclose(served, student.encoder.encode(texts), atol=1e-5)
