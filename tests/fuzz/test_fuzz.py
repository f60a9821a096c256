"""Any input works or is refused in one line: a few hundred inputs a reader, and the long hunt where it is asked for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz.every_target import NAMES
from tests.fuzz.target import Target


@pytest.mark.parametrize("name", NAMES)
def test_every_input_works_or_is_refused_in_one_line(name: str, targets: dict[str, Target]) -> None:
    target = targets[name]
    assert target.hunt(target.few) >= len(target.kept)


def test_every_target_is_hunted(targets: dict[str, Target]) -> None:
    assert sorted(targets) == sorted(NAMES)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_hundred_thousand_inputs() -> None:
    command = [sys.executable, "-m", "tests.fuzz", "--inputs", "100000"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2], check=False)
    assert done.returncode == 0, done.stdout
    sys.stdout.write(done.stdout)
