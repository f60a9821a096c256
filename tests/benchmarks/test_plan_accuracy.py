"""The comparison of a plan with a run's log, on a log of known seconds."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
pytestmark = pytest.mark.skipif(not BENCHMARKS.is_dir(), reason="a source distribution holds no benchmarks")


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import plan_accuracy

    return plan_accuracy


def test_stages_are_compared_with_all_their_parts(script: ModuleType, tmp_path: Path) -> None:
    events = [("texts", "reused", 1), ("students/a", "done", 5), ("student", "begun", 0), ("student", "done", 2),
              ("measure", "done", 90), ("measure", "done", 30)]  # fmt: skip
    lines = [json.dumps({"stage": stage, "event": event, "seconds": seconds}) for stage, event, seconds in events]
    (tmp_path / "log.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    found = script.took(tmp_path)
    planned = {"texts": 5.0, "student": 10.0, "measure": 20.0}
    rows = script.compared(planned, found, {"student": "students"})
    assert rows == [("student", 10.0, 7.0), ("measure", 20.0, 30.0)]
    assert [round(script.off(*row[1:]), 2) for row in rows] == [1.43, 1.5]
