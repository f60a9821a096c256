"""Folders that version 0.1.0 wrote, read, served, promoted and gone on with by today's code."""

from __future__ import annotations

import io
import json
import shutil
import sqlite3
import sys
import tarfile
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest

from export.artifact.manifest import verify_artifact
from export.serve.rerank_session import OnnxReranker
from pipeline.report.rows import read_report_json
from tests.tiny_artifacts import exported_artifact
from tests.tiny_runs import Said, decant, pairs, read_log, write_tsv

MADE_BY = "0.1.0"
ARCHIVE = Path(__file__).with_name(f"{MADE_BY}.tar.xz")
PLACE = "/data"  # where the folders stood
LARGE, SMALL, RERANKER = "L2xD16-fp32", "L1xD8-fp32", "reranker"
PROMOTION = ["--rounds", 2, "--resamples", 100, "--threads", 1, "--margin", 100]
STAGES = {
    "nested": {
        "texts", "embedding/teacher0", "vectors", "mine", "teacher", "targets", "embed", "students/alpha0.5-seed0",
        "students/alpha0.5-seed1", "students/soup", "student", "reranker", "graphs", "measure", "artifacts", "report",
    },
    "pairs": {
        "texts", "teacher", "targets", "students/alpha0.5-seed0", "students/alpha0-seed0", "student", "graphs",
        "measure", "artifacts", "report",
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def earlier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folders, only to be read."""
    folder = tmp_path_factory.mktemp("earlier")
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(folder, filter="data")
    return folder


@pytest.fixture
def copied(earlier: Path, tmp_path: Path) -> Path:
    """The folders, to be changed."""
    return shutil.copytree(earlier, tmp_path / "copy")


@pytest.fixture
def today_tsv(tmp_path: Path) -> Path:
    """Pairs to promote on."""
    return write_tsv(tmp_path / "today.tsv", pairs("regression", 24, 5))


def done(*arguments: object, stdin: bytes = b"") -> Said:
    """What a command said that went well."""
    said = decant(*arguments, stdin=stdin)
    assert said.code == 0, said.err
    return said


@pytest.mark.smoke
@pytest.mark.parametrize("name", ["nested", "pairs"])
def test_a_run_of_the_version_before_is_used_again(name: str, copied: Path) -> None:
    run = copied / name / "run"
    before, report = len(read_log(run)), json.loads((run / "report" / "report.json").read_text(encoding="utf-8"))
    planned = done("plan", copied / name / "recipe.yaml", "--out", run, "--json").json()
    again = done("run", copied / name / "recipe.yaml", "--out", run, "--json")
    named = {"artifacts", "report"} if version("decant") != MADE_BY else set()  # they state the version
    told = {event: {line["stage"] for line in read_log(run)[before:] if line["event"] == event}
            for event in ("reused", "begun", "damaged")}  # fmt: skip
    assert told == {"reused": STAGES[name] - named, "begun": named, "damaged": set()}
    assert {stage["stage"]: stage["state"] for stage in planned} == {
        stage: "done" for stage in STAGES[name] if "/" not in stage
    }
    assert not list((run / "artifacts").glob("stage.*")), "nothing but artifacts lies among them"
    after = len(read_log(run))
    done("run", copied / name / "recipe.yaml", "--out", run, "-q")
    assert {line["event"] for line in read_log(run)[after:]} == {"reused"}
    assert {row["name"] for row in again.json()["rows"]} == {row["name"] for row in report["rows"]}
    assert again.json()["selected"] == report["selected"]


@pytest.mark.parametrize(("name", "best"), [("nested", SMALL), ("pairs", "L1xD16-int8-row")])
def test_its_report_is_shown_and_picked_from(name: str, best: str, earlier: Path) -> None:
    run = earlier / name / "run"
    written = json.loads((run / "report" / "report.json").read_text(encoding="utf-8"))
    assert done("report", run, "--json").json() == written
    assert len(read_report_json(run / "report" / "report.json").rows) == len(written["rows"])
    assert f"Ship {written['selected']} (" in done("report", run).text
    assert done("pick", run, "--json").json()["selected"] == best


def test_a_pick_under_another_budget(earlier: Path) -> None:
    assert done("pick", earlier / "nested" / "run", "--max-dim", 8, "--json").json()["selected"] == SMALL


def test_its_runs_are_compared(earlier: Path, tmp_path: Path) -> None:
    said = done("compare", earlier / "nested" / "run", earlier / "pairs" / "run", "--out", tmp_path / "both.html")
    assert said.text.startswith("Of 2 runs' picks ")
    assert (tmp_path / "both.html").stat().st_size > 10_000


@pytest.mark.parametrize(
    "name",
    [*(f"nested/run/artifacts/{one}" for one in (LARGE, SMALL, RERANKER)), "pairs/run/artifacts/L1xD16-fp32",
     "pairs/run/artifacts/L1xD16-int8-row"],
)  # fmt: skip
def test_its_artifacts_verify(name: str, earlier: Path) -> None:
    assert done("verify", earlier / name).text


def test_its_artifacts_give_the_figures_that_they_state(earlier: Path) -> None:
    for name in (LARGE, SMALL):
        artifact = earlier / "nested" / "run" / "artifacts" / name
        stated = verify_artifact(artifact).metrics["nested/test"]
        found = done("eval", artifact, "--pairs", earlier / "nested" / "test.tsv", "--json").json()
        assert found["spearman"] == pytest.approx(stated["spearman"], abs=1e-6)


def test_its_artifacts_encode(earlier: Path) -> None:
    for run, name, dim in (("nested", LARGE, 16), ("nested", SMALL, 8), ("pairs", "L1xD16-int8-row", 16)):
        artifact = earlier / run / "run" / "artifacts" / name
        vectors = np.load(io.BytesIO(done("encode", artifact, stdin=b"a big dog\nthe cat").out), allow_pickle=False)
        assert vectors.shape == (2, dim)
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert OnnxReranker(earlier / "nested" / "run" / "artifacts" / RERANKER).score([("a cat", "a dog")]).shape == (1,)


def test_all_its_artifacts_are_timed(earlier: Path) -> None:
    """What a shell makes of artifacts/*: the stage's mark and the re-ranker are among them."""
    artifacts = sorted((earlier / "nested" / "run" / "artifacts").iterdir())
    given = ["--pairs", earlier / "nested" / "test.tsv", "--rounds", 2, "--json"]
    found = done("bench", *artifacts, *given).json()
    assert {row["name"] for row in found["rows"]} == {LARGE, SMALL}
    assert [note.rpartition(" was left out: it is ")[2] for note in found["notes"]] == [
        "a file.", "a re-ranker, which gives no vectors.",
    ]  # fmt: skip
    mark = earlier / "nested" / "run" / "artifacts" / "stage.json"
    alone = decant("bench", mark, *given)
    assert (alone.code, alone.lines) == (2, [f"decant: {mark} is no artifact of Decant: decant.json is missing"])


def test_its_certificate_is_read(earlier: Path) -> None:
    manifest = verify_artifact(earlier / "nested" / "run" / "artifacts" / LARGE)
    assert set(manifest.certificate) == {"text-embeddings-inference", "triton"}


@pytest.mark.parametrize("target", ["ort", "fastembed", "tei", "triton"])
def test_its_artifacts_are_bundled(target: str, earlier: Path, tmp_path: Path) -> None:
    artifact = earlier / "nested" / "run" / "artifacts" / LARGE
    done("bundle", artifact, "--for", target, "--out", tmp_path / "served")
    assert (tmp_path / "served" / "README.md").is_file()


def test_its_releases_are_listed_and_rolled_back(copied: Path) -> None:
    registry = copied / "registry"
    listed = done("releases", registry, "--json").json()
    assert [event["event"] for event in listed["history"]] == ["promoted", "promoted", "refused"]
    first, second = (event["version"] for event in listed["history"][:2])
    assert listed["current"]["version"] == second
    assert f"*  {second}" in done("releases", registry).text
    done("rollback", registry)
    listed = done("releases", registry, "--json").json()
    assert (listed["current"]["version"], listed["history"][-1]["event"]) == (first, "rolled back")


def test_a_new_artifact_is_promoted_into_its_registry(copied: Path, today_tsv: Path, tmp_path: Path) -> None:
    artifact = exported_artifact(tmp_path / "new")
    said = done("promote", artifact, "--to", copied / "registry", "--pairs", today_tsv, *PROMOTION, "--json").json()
    assert said["event"] == "promoted"
    assert said["release"]["today"]["deployed"]["accuracy"] is not None
    assert done("releases", copied / "registry", "--json").json()["current"]["version"] == said["version"]


def test_its_deployed_version_is_known_again(copied: Path, today_tsv: Path) -> None:
    artifact = copied / "nested" / "run" / "artifacts" / SMALL
    said = done("promote", artifact, "--to", copied / "registry", "--pairs", today_tsv, *PROMOTION)
    assert "is deployed already" in said.text


def test_its_run_is_promoted_into_a_new_registry(earlier: Path, today_tsv: Path, tmp_path: Path) -> None:
    registry = tmp_path / "registry"
    said = done("promote", earlier / "nested" / "run", "--to", registry, "--pairs", today_tsv, *PROMOTION, "--json")
    assert said.json()["event"] == "promoted"
    assert done("releases", registry, "--json").json()["current"]["version"] == said.json()["version"]


def test_its_schedules_are_listed_with_their_history(copied: Path) -> None:
    home = ["--home", _moved(copied)]
    listed = {one["name"]: one for one in done("schedule", "list", *home, "--json").json()}
    assert {name: one["paused"] for name, one in listed.items()} == {"nested": False, "resting": True}
    assert [run["state"] for run in done("schedule", "history", *home, "--json").json()] == ["done"]
    assert "resting" in done("schedule", "list", *home).text


def test_its_schedule_runs_on(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.schedule.work.run_command", lambda one: [sys.executable, "-c", "pass"])
    home = ["--home", _moved(copied)]
    assert "done" in done("schedule", "run-now", "nested", *home).text
    assert [run["state"] for run in done("schedule", "history", *home, "--json").json()] == ["done", "done"]


def _moved(copied: Path) -> Path:
    """The schedules' home, with the folders' place of today in the database."""
    with sqlite3.connect(copied / "schedule" / "schedules.sqlite") as database:
        for column in ("schedule", "settled"):
            database.execute(f"UPDATE decant_schedules SET {column} = replace({column}, ?, ?)", (PLACE, str(copied)))
    database.close()
    return copied / "schedule"
