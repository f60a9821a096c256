"""Schedules in a folder of their own, on commands that take no training."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.schedule.spec import Schedule
from pipeline.schedule.store import Store, opened

RUN = """
import json, pathlib, sys
from pipeline.snapshot import take_snapshot, write_snapshot

run, data, code, report, last = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), int(sys.argv[3]), *sys.argv[4:]
(run / "report").mkdir(parents=True, exist_ok=True)
write_snapshot(take_snapshot([data]), run / "inputs.json")
(run / "report" / "report.json").write_text(report)
(run / "log.jsonl").write_text(json.dumps({"stage": last, "event": "done"}) + "\\n")
with (run / "ran").open("a") as file:
    file.write("x")
if code:
    print("decant: because")
sys.exit(code)
"""


def schedule(folder: Path, **values: Any) -> Schedule:
    """A schedule of a recipe in this folder, due every hour from now on."""
    recipe = folder / "recipe.yaml"
    if not recipe.is_file():
        recipe.write_text("name: my\n", encoding="utf-8")
        (folder / "data.tsv").write_text("a\tb\t1\n", encoding="utf-8")
    common = {
        "name": "my", "recipe": str(recipe), "run": str(folder / "run"), "every_s": 3600, "timezone": "UTC",
        "created": time.time(), "retries": 1, "backoff_s": 0,
    }  # fmt: skip
    return Schedule.model_validate(common | values)


def stand_in(folder: Path, code: int = 0, report: str = "{}", last: str = "report") -> list[str]:
    """A command that leaves what a run leaves, by its report and the last stage that it finished, and an exit code."""
    return [sys.executable, "-c", RUN, str(folder / "run"), str(folder / "data.tsv"), str(code), report, last]


def times_run(folder: Path) -> int:
    """How often the stand-in was called."""
    path = folder / "run" / "ran"
    return len(path.read_text(encoding="utf-8")) if path.is_file() else 0


@pytest.fixture
def url(tmp_path: Path) -> str:
    """Of a database that is not there yet."""
    pytest.importorskip("sqlalchemy", reason="the extra `ops` is not installed")
    pytest.importorskip("apscheduler", reason="the extra `ops` is not installed")
    return f"sqlite:///{tmp_path / 'state' / 'schedules.sqlite'}"


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    """An empty store."""
    with opened(url) as opened_store:
        yield opened_store
