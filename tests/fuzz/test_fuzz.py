"""Any input works or is refused in one line: a few hundred inputs a reader here, the rest by `python -m tests.fuzz`."""

from __future__ import annotations

import pytest

from tests.fuzz.every_target import NAMES
from tests.fuzz.target import Target


@pytest.mark.parametrize("name", NAMES)
def test_every_input_works_or_is_refused_in_one_line(name: str, targets: dict[str, Target]) -> None:
    target = targets[name]
    assert target.hunt(target.few) >= len(target.kept)


def test_every_target_is_hunted(targets: dict[str, Target]) -> None:
    assert sorted(targets) == sorted(NAMES)
