from __future__ import annotations

import pytest
import torch

from decant.errors import InputError
from students.cuts.soup import soup
from students.distill.comparator import Comparator
from students.pair_student import Student
from tests.tiny_models import tiny_encoder


def test_every_weight_is_the_mean() -> None:
    students = [Student(tiny_encoder(seed=seed), Comparator(32, 1, 8)) for seed in range(3)]
    mean = soup(students)
    for name, weight in mean.state_dict().items():
        parts = [student.state_dict()[name] for student in students]
        torch.testing.assert_close(weight, (parts[0] + parts[1] + parts[2]) / 3)
    assert not torch.equal(mean.encoder.backbone.embeddings.word_embeddings.weight, parts_of(students[0]))


def test_a_soup_of_one_is_itself_and_apart() -> None:
    student = Student(tiny_encoder())
    mean = soup([student])
    assert mean.predict([("a dog", "the cat")]).tolist() == student.predict([("a dog", "the cat")]).tolist()
    with torch.no_grad():
        next(iter(mean.parameters())).zero_()
    assert next(iter(student.parameters())).any()


def test_refuses_nothing_and_other_shapes() -> None:
    with pytest.raises(InputError, match="one student or more"):
        soup([])
    with pytest.raises(InputError, match="students of one shape"):
        soup([Student(tiny_encoder()), Student(tiny_encoder(intermediate_size=16))])


def parts_of(student: Student) -> torch.Tensor:
    return student.state_dict()["encoder.backbone.embeddings.word_embeddings.weight"]
