"""One list of stages: what stands in it is planned, run, made again by --from, and traced."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pipeline import run as runs
from pipeline.stages.stage import Done, Made, Run, Stage
from pipeline.stages.texts import TEXTS
from pipeline.texts.load import read_texts
from tests.tiny_runs import SmokeRun, decant, read_log

pytestmark = pytest.mark.smoke


def make_count(run: Run, made: Made) -> Done:
    """The number of training pairs."""

    def write(folder: Path) -> None:
        (folder / "count.txt").write_text(str(len(made.texts.train)), encoding="utf-8")

    finished = run.make("count", 1, {"texts": made.texts_done.fingerprint}, write)
    return Done(finished, (finished.folder / "count.txt").read_text(encoding="utf-8") + " counted")


COUNT = Stage(
    "count", 1, make_count, reads=("texts",), wanted=lambda recipe: recipe.description == "counted",
    seconds=lambda estimate: 7.0, told=lambda estimate: f"{len(estimate.texts.train)} to count",
)  # fmt: skip


@pytest.fixture
def counted(smoke_run: SmokeRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a finished run's copy, whose recipe asks for one stage more."""
    monkeypatch.setattr(runs, "STAGES", (TEXTS, COUNT, *runs.STAGES[1:]))
    folder = tmp_path / "copy"
    shutil.copytree(smoke_run.recipe.parent, folder)
    recipe = folder / "recipe.yaml"
    recipe.write_text(recipe.read_text(encoding="utf-8") + "\ndescription: counted\n", encoding="utf-8")
    return folder


def states(folder: Path) -> dict[str, str]:
    said = decant("plan", folder / "recipe.yaml", "--out", folder / "run", "--json")
    assert said.code == 0, said.err
    return {one["stage"]: one["state"] for one in said.json()}


def test_a_stage_of_the_list_is_planned_run_and_made_again(counted: Path) -> None:
    assert list(states(counted).items())[:3] == [("texts", "done"), ("count", "to do"), ("teacher", "done")]
    plan = decant("plan", counted / "recipe.yaml", "--out", counted / "run", "--json").json()[1]
    count = len(read_texts(counted / "run" / "texts").train)
    assert (plan["seconds"], plan["what"]) == (7.0, f"{count} to count")
    said = decant("run", counted / "recipe.yaml", "--out", counted / "run", "--from", "count")
    assert said.code == 0, said.err
    assert f"{count} counted" in said.err
    assert (counted / "run" / "count" / "count.txt").read_text(encoding="utf-8") == str(count)
    assert states(counted)["count"] == "done"
    before = len(read_log(counted / "run"))
    assert decant("run", counted / "recipe.yaml", "--out", counted / "run").code == 0
    again = [line for line in read_log(counted / "run")[before:] if line.get("stage") == "count"]
    assert [line["event"] for line in again] == ["reused"]


def test_a_recipe_that_does_not_want_it_has_no_such_stage(counted: Path) -> None:
    said = decant("run", counted / "recipe.yaml", "--out", counted / "run", "--set", "description=x", "--from", "count")
    assert said.code == 2
    assert "this recipe has no such stage; its stages are texts, teacher" in said.err


def test_stages_read_only_what_stands_before_them() -> None:
    names = [stage.name for stage in runs.STAGES]
    for number, stage in enumerate(runs.STAGES):
        assert set(stage.reads) <= set(names[:number]), stage.name
        assert len(set(names)) == len(names)
