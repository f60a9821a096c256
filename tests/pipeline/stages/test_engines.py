"""Engines in a whole run: what can be built here, and a line on what cannot."""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path

import pytest

from export.engines.tensorrt import what_is_missing
from tests.tiny_runs import SmokeRun, decant, read_log

pytestmark = pytest.mark.smoke


@pytest.fixture
def copied(smoke_run: SmokeRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SmokeRun:
    """The finished run, to be changed, on a machine without a GPU."""
    monkeypatch.setattr("export.engines.tensorrt.gpu", lambda: None)
    monkeypatch.setattr("pipeline.stages.engines.gpu", lambda: None)
    shutil.copytree(smoke_run.recipe.parent, tmp_path / "copy")
    return SmokeRun(tmp_path / "copy" / "recipe.yaml", tmp_path / "copy" / "run", smoke_run.said)


def begun(run: Path, after: int) -> list[str]:
    return [line["stage"] for line in read_log(run)[after:] if line["event"] == "begun"]


def test_what_cannot_be_built_is_a_line_and_stops_nothing(copied: SmokeRun) -> None:
    before = len(copied.log())
    said = decant("run", copied.recipe, "--out", copied.folder, "--set", "export.engines=[tensorrt]", "--json")
    assert said.code == 0, said.err
    assert begun(copied.folder, before) == ["engines", "report"], "no graph is made or measured again"
    line = f"tensorrt: no engine was built; it needs {what_is_missing('tensorrt')}."
    assert line in said.json()["notes"]
    assert line in said.err
    assert "engines" not in said.json()
    assert line in (copied.folder / "report" / "report.html").read_text(encoding="utf-8").replace("&#39;", "'")


def test_a_plan_names_the_engines(copied: SmokeRun) -> None:
    asked = ["--set", "export.engines=[tensorrt-rtx, tensorrt]"]
    planned = decant("plan", copied.recipe, "--out", copied.folder, *asked, "--json").json()
    found = {one["stage"]: one for one in planned}["engines"]
    assert (found["state"], found["what"]) == ("to do", "tensorrt-rtx, tensorrt")


@pytest.mark.skipif(importlib.util.find_spec("tensorrt_rtx") is None, reason="tensorrt-rtx is not installed")
def test_engines_are_listed_as_built_and_not_run(copied: SmokeRun) -> None:
    asked = ["--set", "export.engines=[tensorrt-rtx, tensorrt-rtx-fp16]", "--json"]
    said = decant("run", copied.recipe, "--out", copied.folder, *asked)
    assert said.code == 0, said.err
    assert "2 built, not run here" in said.err
    engines = said.json()["engines"]
    assert [engine["facts"]["kind"] for engine in engines] == ["tensorrt-rtx", "tensorrt-rtx-fp16"]
    assert "graph_cosine" not in engines[0]
    assert 0.999 < engines[1]["graph_cosine"] < 1
    for engine in engines:
        written = copied.folder / engine["path"]
        assert written.stat().st_size == pytest.approx(engine["facts"]["size_mib"] * 2**20)
        listed = json.loads(written.with_suffix(".json").read_text(encoding="utf-8"))
        assert len(listed["inspection"]) == engine["facts"]["layers"]
    assert {path.name for path in (copied.folder / "engines").iterdir()} == {"L3xD32", "engines.json"}
    before = len(copied.log())
    assert decant("run", copied.recipe, "--out", copied.folder, *asked).json()["engines"] == engines
    assert begun(copied.folder, before) == []
    missing = decant("run", copied.recipe, "--out", copied.folder, "--set", "export.engines=[tensorrt-rtx]", "--json")
    assert [engine["facts"]["kind"] for engine in missing.json()["engines"]] == ["tensorrt-rtx"]


@pytest.mark.skipif(importlib.util.find_spec("tensorrt_rtx") is None, reason="tensorrt-rtx is not installed")
def test_a_half_graph_that_overflows_is_not_built(copied: SmokeRun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.stages.engines.HALF_MIN_COSINE", 1.1)
    asked = ["--set", "export.engines=[tensorrt-rtx-fp16]", "--json"]
    said = decant("run", copied.recipe, "--out", copied.folder, *asked)
    assert said.code == 0, said.err
    assert "none built" in said.err
    assert "L3xD32, tensorrt-rtx-fp16: no engine was built. its float16 graph has cosine" in said.json()["notes"][-1]
