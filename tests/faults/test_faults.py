"""The harness itself, in short and, marked slow, in full: `pytest -m slow tests/faults -s` prints the table."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.faults.__main__ import table
from tests.faults.kinds import KINDS, Tried
from tests.faults.place import Place

ROOT = Path(__file__).parents[2]


def harness(*options: str) -> str:
    """What it says, as a process of its own: it forks, which a process with threads must not."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults", *options], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow  # half a minute; that a killed run goes on is also held by tests/pipeline/runs/test_kill.py
def test_some_moments_of_a_run() -> None:
    said = harness("--moments", "1", "--kinds", "kill", "--recipes", "short")
    assert said.count("survived") == 1


@pytest.mark.slow
@pytest.mark.timeout(4 * 3600)
def test_fifty_moments_of_every_kind() -> None:
    said = harness("--moments", "50")  # an hour on two cores
    sys.stdout.write(said)
    for kind in ("kill -9", "SIGTERM", "SIGINT", "two runs at once", "file limit"):
        assert f"| {kind} | 50 | 0 |" in said
    assert said.count("| loss not a number |") == said.count("| bit flipped |") == 1
    if os.geteuid() == 0:
        assert "| disk full | 50 | 0 |" in said


def test_the_table_counts_what_was_lost() -> None:
    tried = [Tried("kill -9", "texts at 5 %", ""), Tried("kill -9", "student at 99 %", "it hangs"), Tried("a", "b", "")]
    assert table(tried).splitlines()[2:] == ["| kill -9 | 2 | 1 |", "| a | 1 | 0 |"]


def test_moments_are_spread_over_all_stages_and_come_again_by_their_seed(tmp_path: Path) -> None:
    place = Place(tmp_path, tmp_path / "recipe.yaml", {"texts": 1.0, "student": 2.0, "report": 0.5}, {})
    first, again = (place.moments(7, np.random.default_rng(3)) for _ in range(2))
    assert first == again
    assert sorted([one.stage for one in first].count(stage) for stage in place.seconds) == [2, 2, 3]
    assert all(0 <= one.share <= 1.1 for one in first)


def test_every_kind_says_what_it_does() -> None:
    assert all(kind.__doc__ for kind in KINDS.values())
