"""MLflow runs in a SQLite file that is read with sqlite3 alone."""

import json
import os
import sqlite3
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from pipeline.tracking.mlflow_run import ENVIRONMENT, SILENT, MlflowRun, allowed, without_secrets


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")


def new_run(folder: Path, run_id: str | None = None) -> MlflowRun:
    run = MlflowRun(f"sqlite:///{folder / 'mlflow.db'}", "decant", folder / "files")
    run.begin("my", run_id, {"student.epochs": "3"})
    return run


def rows(folder: Path, query: str) -> list[tuple[Any, ...]]:
    with sqlite3.connect(folder / "mlflow.db") as connection:
        found = connection.execute(query).fetchall()
    connection.close()
    return found


@pytest.mark.smoke
def test_a_run_that_goes_on_logs_no_step_twice_and_a_store_that_breaks_ends_only_the_tracking(tmp_path: Path) -> None:
    first = new_run(tmp_path)
    assert first.failure is None
    for step in (0, 10, 20):
        first.figure("teacher/loss", 1 / (step + 1), step)
    first.figure("teacher/loss", float("nan"), 30)
    first.end("KILLED")
    assert rows(tmp_path, "select name, status from runs") == [("my", "KILLED")]
    assert rows(tmp_path, "select key, value from params") == [("student.epochs", "3")]

    second = new_run(tmp_path, first.run_id)
    assert second.run_id == first.run_id
    assert rows(tmp_path, "select status from runs") == [("RUNNING",)]
    for step in (10, 20, 30):  # the last checkpoint was at step 10
        second.figure("teacher/loss", 1 / (step + 1), step)
    second.figure("student/loss", 0.5, 0)
    (tmp_path / "report.md").write_text("# my", encoding="utf-8")
    second.result({"pick/a+b": 0.8}, {"decant.lineage": "teacher → student"}, {tmp_path / "report.md": "report"})
    second.end("FINISHED")
    assert second.failure is None
    curve = rows(tmp_path, "select step, value from metrics where key = 'teacher/loss' order by step")
    assert curve == [(0, 1), (10, 1 / 11), (20, 1 / 21), (30, 1 / 31)]
    assert rows(tmp_path, "select key from metrics where key like 'pick%'") == [("pick/a_b",)]
    assert ("decant.lineage", "teacher → student") in rows(tmp_path, "select key, value from tags")
    kept = tmp_path / "files" / str(first.run_id) / "artifacts" / "report" / "report.md"
    assert kept.read_text(encoding="utf-8") == "# my"

    third = new_run(tmp_path, "0" * 32)  # it was removed there
    assert third.run_id not in (None, first.run_id, "0" * 32)
    rows(tmp_path, "drop table metrics")
    third.figure("teacher/loss", 1.0, 0)
    third.flush()
    assert third.failure is not None
    assert third.failure.startswith(f"{tmp_path / 'mlflow.db'}: ")
    assert "no such table: metrics" in third.failure
    third.figure("teacher/loss", 1.0, 10)
    third.result({"a": 1.0}, {"b": "c"}, {})
    third.end("FINISHED")
    assert rows(tmp_path, f"select status from runs where run_uuid = '{third.run_id}'") == [("RUNNING",)]


def test_a_server_that_is_not_there_is_named_without_its_password(tmp_path: Path) -> None:
    run = MlflowRun("http://me:hunter2@127.0.0.1:9", "decant", tmp_path)
    run.begin("my", None, {})
    assert run.run_id is None
    assert run.failure is not None
    assert run.failure.startswith("127.0.0.1: ")
    assert "hunter2" not in run.failure
    assert "\n" not in run.failure


class Server(BaseHTTPRequestHandler):
    """Answers what a run asks of MLflow's REST interface."""

    asked: ClassVar[list[str]] = []
    EXPERIMENT: ClassVar = {"experiment_id": "1", "name": "decant", "lifecycle_stage": "active"}
    INFO: ClassVar = {"run_id": "a1", "run_name": "my", "experiment_id": "1", "lifecycle_stage": "active"}

    def do_GET(self) -> None:
        self.answer()

    def do_POST(self) -> None:
        self.answer()

    def answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        name = self.path.partition("?")[0].partition("/mlflow/")[2]
        self.asked.append(name)
        run = {"info": self.INFO, "data": {}}
        answers = {"experiments/get-by-name": {"experiment": self.EXPERIMENT}, "runs/update": {"run_info": self.INFO}}
        answers |= {"runs/create": {"run": run}, "runs/get": {"run": run}, "runs/log-batch": {}}
        content = json.dumps(answers.get(name, {})).encode()
        self.send_response(200 if name in answers else 404)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Nothing on stderr."""


def test_a_server_is_logged_to_and_stdout_holds_no_line_of_mlflow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(SILENT, "false")
    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        run = MlflowRun(f"http://me:hunter2@127.0.0.1:{server.server_port}", "decant", tmp_path)
        run.begin("my", None, {"student.epochs": "3"})
        run.figure("teacher/loss", 1.0)
        run.end("FINISHED")
        server.shutdown()
    assert (run.failure, run.run_id) == (None, "a1")
    assert Server.asked[-1] == "runs/update"
    assert Server.asked.count("runs/log-batch") == 2
    assert run.told == "run a1 of the experiment decant, 127.0.0.1"
    assert capfd.readouterr() == ("", "")


def test_telemetry_is_off() -> None:
    from mlflow.telemetry.utils import is_telemetry_disabled

    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"
    assert is_telemetry_disabled()


def test_no_address_is_told() -> None:
    uri = "postgresql://me:hunter2@host/db"
    said = without_secrets(ValueError(f"cannot reach {uri} or\nhttp://x:y@z, hunter2"), uri)
    assert said == "cannot reach … or … …"


def test_keys_are_those_that_every_server_takes() -> None:
    assert allowed("rows/start model (×2)/stsb/test/spearman") == "rows/start model __2_/stsb/test/spearman"
    assert len(allowed("x" * 300)) == 250
