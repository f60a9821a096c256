"""A whole tiny run with both trackers; what it left is read by TensorBoard's reader and by sqlite3."""

import csv
import json
import os
import sqlite3
from pathlib import Path
from typing import Any

import pytest
import yaml
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from pipeline.marks import mark_path
from pipeline.run_dir import RunDir
from pipeline.tracking.mlflow_run import ENVIRONMENT
from pipeline.tracking.settings import URI_VARIABLE
from pipeline.tracking.tracker import training_name
from tests.tiny_runs import Models, decant, read_log, tiny_recipe, write_project


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(URI_VARIABLE, raising=False)
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")


def rows(database: Path, query: str) -> list[tuple[Any, ...]]:
    connection = sqlite3.connect(database)
    found = connection.execute(query).fetchall()
    connection.close()
    return found


def logged(run: Path, stage: str) -> list[tuple[int, float]]:
    """Step and loss as Lightning's CSV logger has them."""
    with (run / stage / "training" / "csv" / "metrics.csv").open(encoding="utf-8") as file:
        return [(int(row["step"]), float(row["loss"])) for row in csv.DictReader(file) if row["loss"]]


@pytest.mark.smoke
def test_a_run_is_tracked_once(models: Models, tmp_path: Path) -> None:
    tracking = {"tensorboard": True, "mlflow": {"experiment": "tiny"}}
    content = tiny_recipe(models, load=False) | {"tracking": tracking, "description": "a tiny run"}
    content["teacher"] |= {"epochs": 2}
    content["export"] |= {"precisions": ["fp32"]}
    recipe, run = write_project(tmp_path, content), tmp_path / "runs" / "tiny"
    first = decant("run", recipe, "--out", run, "-q")
    assert (first.code, first.err) == (0, "")
    database = tmp_path / "runs" / "mlflow.db"
    assert rows(database, "select name, status from runs") == [("tiny-regression", "FINISHED")]
    assert ("tiny",) in rows(database, "select name from experiments")
    student = "students-alpha0.5-seed0"
    folders = {"teacher": "teacher", student: "students/alpha0.5-seed0"}
    for training, stage in folders.items():
        query = f"select step, value from metrics where key = '{training}/loss' order by step"
        curve = rows(database, query)
        assert curve == [(step, pytest.approx(loss)) for step, loss in logged(run, stage)]
        assert len(curve) == (2 if training == "teacher" else 1)
        events = EventAccumulator(str(run / "tensorboard" / training)).Reload()
        assert [(one.step, pytest.approx(one.value, rel=1e-6)) for one in events.Scalars("loss")] == curve
        assert rows(database, f"select count(*) from metrics where key = '{training}/dev'") == [(len(curve),)]
        assert not (run / stage / "training" / "tensorboard").exists()

    params = dict(rows(database, "select key, value from params"))
    resolved = yaml.safe_load((run / "recipe.yaml").read_text(encoding="utf-8"))
    assert params["teacher.model"] == str(models.encoder)
    assert float(params["student.learning_rate"]) == resolved["student"]["learning_rate"]
    report = json.loads((run / "report" / "report.json").read_text(encoding="utf-8"))
    figures = dict(rows(database, "select key, value from metrics"))
    for row in report["rows"]:
        assert figures[f"rows/{row['name']}/tiny-regression/test/spearman"] == pytest.approx(
            row["metrics"]["tiny-regression/test"]["spearman"]
        )
    picked = next(row for row in report["rows"] if row["name"] == report["selected"])
    assert figures["pick/size_mib"] == pytest.approx(picked["size_mib"])
    tags = dict(rows(database, "select key, value from tags"))
    for stage in ("teacher", "targets", "student", "artifacts"):
        mark = json.loads(mark_path(run, stage).read_text(encoding="utf-8"))
        assert tags[f"decant.fingerprint.{stage}"] == mark["fingerprint"]
    assert tags["decant.lineage"].index("teacher") < tags["decant.lineage"].index("targets")
    assert tags["decant.pick_graph_sha256"] == picked["graph_sha256"]
    assert tags["mlflow.note.content"] == "a tiny run"
    ((folder,),) = rows(database, "select artifact_uri from runs")
    kept = Path(folder.removeprefix("file://"))
    assert (kept / "report" / "report.html").read_bytes() == (run / "report" / "report.html").read_bytes()
    assert (kept / "pick" / report["selected"] / "decant.json").is_file()
    result = EventAccumulator(str(run / "tensorboard" / "result")).Reload()
    assert [one.value for one in result.Scalars("pick/size_mib")] == [pytest.approx(picked["size_mib"])]
    assert "_hparams_/experiment" in result.summary_metadata

    # the same again logs nothing; in another experiment it is another run, without the curves of what it takes over
    count, known = rows(database, "select count(*) from metrics"), set(rows(database, "select run_uuid from runs"))
    assert "MLflow" not in decant("run", recipe, "--out", run).err
    assert rows(database, "select count(*) from metrics") == count
    other = decant("run", recipe, "--out", run, "--set", "tracking.mlflow.experiment=other")
    ((made,),) = set(rows(database, "select run_uuid from runs")) - known
    assert other.lines[-2:] == [
        f"TensorBoard: {run / 'tensorboard'}", f"MLflow: run {made} of the experiment other, {database}"
    ]  # fmt: skip
    assert rows(database, "select count(*) from metrics where key = 'pick/size_mib'") == [(2,)]
    assert rows(database, "select count(*) from metrics where key = 'teacher/dev'") == [(2,)]

    # a server that is gone is told of once, and neither line nor folder holds the password
    uri = "http://me:hunter2@127.0.0.1:9"
    gone = decant("run", recipe, "--out", run, "-q", "--set", f"tracking.mlflow.uri={uri}")
    assert gone.code == 0
    assert len(gone.lines) == 1
    assert gone.lines[0].startswith("decant: tracking stopped, the run did not: 127.0.0.1: ")
    assert read_log(run)[-1]["event"] == "tracking failed"
    written = [path.read_bytes() for path in run.rglob("*") if path.is_file()]
    assert not [one for one in written if b"hunter2" in one]


@pytest.mark.slow
def test_another_student_is_another_run_without_the_teacher_that_it_takes_over(models: Models, tmp_path: Path) -> None:
    content = tiny_recipe(models, load=False) | {"tracking": {"mlflow": {"experiment": "tiny"}}}
    content["export"] |= {"precisions": ["fp32"]}
    recipe, run = write_project(tmp_path, content), tmp_path / "runs" / "tiny"
    for epochs in (1, 2):
        assert decant("run", recipe, "--out", run, "-q", "--set", f"student.epochs={epochs}").code == 0
    query = "select key, count(*), count(distinct run_uuid) from metrics where key like '%/dev' group by key"
    assert rows(tmp_path / "runs" / "mlflow.db", query) == [
        ("students-alpha0.5-seed0/dev", 3, 2),
        ("teacher/dev", 1, 1),
    ]


def test_names_of_trainings() -> None:
    mark = "0123456789ab"
    assert training_name(Path(f"teacher-{mark}/training")) == "teacher"
    assert training_name(Path(f"students-alpha0.3-seed0-{mark}/training")) == "students-alpha0.3-seed0"
    assert training_name(Path(f"graphs-{mark}/training/L6xD384-int8-row")) == "graphs/L6xD384-int8-row"
    work = RunDir(Path("run")).work("embedding/teacher0", mark * 4)
    assert training_name(work.relative_to("run/.work") / "training") == "embedding-teacher0"
    assert os.sep not in training_name(work.relative_to("run/.work"))
