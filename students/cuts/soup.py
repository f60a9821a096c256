"""Model soup: one student whose weights are the mean of several that were trained from the same start."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch

from decant.errors import InputError
from students.pair_student import Student


def soup(students: Sequence[Student]) -> Student:
    """The uniform soup of Wortsman et al. 2022, algorithm 1 ("Model soups"), as KaLM-Embedding-V2 ends with.

    Args:
        students: one or more of the same shape, not changed.

    Raises:
        InputError: no student, or weights of different names or shapes.
    """
    if not students:
        raise InputError("a soup needs one student or more")
    every = [student.state_dict() for student in students]
    shapes = [{name: weight.shape for name, weight in weights.items()} for weights in every]
    if any(one != shapes[0] for one in shapes):
        raise InputError("a soup is made of students of one shape; these have weights of different names or shapes")
    mean = copy.deepcopy(students[0])
    mean.load_state_dict(
        {
            name: torch.stack([weights[name] for weights in every]).mean(dim=0)
            if weight.is_floating_point()
            else weight
            for name, weight in every[0].items()
        }
    )
    return mean
