import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from decant.errors import InputError
from pipeline.schedule.attempts import last_words
from pipeline.screen import console
from pipeline.screen.console import Screen
from pipeline.screen.log_lines import VARIABLE, asked_format, log_format, log_line, told_in
from tests.tiny_runs import Models, Said, SmokeRun, decant, tiny_recipe, write_project


def events(said: Said) -> list[dict[str, Any]]:
    return [json.loads(line) for line in said.lines]


def test_a_run_in_json_is_json_alone(smoke_run: SmokeRun, tmp_path: Path) -> None:
    shutil.copytree(smoke_run.recipe.parent, tmp_path, dirs_exist_ok=True)
    recipe, run = tmp_path / "recipe.yaml", tmp_path / "run"
    said = decant("run", recipe, "--out", run, "--from", "report", "--log-format", "json", "--json")
    assert said.json()["recipe"]["name"] == "tiny-regression"
    found = events(said)
    assert {(one["level"], one["run"]) for one in found} == {("info", "tiny-regression")}
    stages = [(one["stage"], one["event"]) for one in found if "stage" in one]
    assert ("teacher", "reused") in stages
    assert stages[-1] == ("report", "done")
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", one["time"]) for one in found)
    assert all(one["seconds"] >= 0 for one in found if "stage" in one)

    (tmp_path / "train.tsv").unlink()
    bad = decant("run", recipe, "--out", run, "--log-format=json", "--json")
    assert (bad.code, bad.out) == (2, b"")
    begun, error = events(bad)
    assert begun["message"] == f"tiny-regression: a run in {run}"
    assert (error["level"], error["event"], error["exit_code"]) == ("error", "failed", 2)
    assert "train.tsv" in error["message"]


def test_the_variable_is_heard_and_a_wrong_format_named(
    models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "json")
    (error,) = events(decant("run", tmp_path / "none.yaml"))
    assert "no such recipe" in error["message"]
    recipe = write_project(tmp_path, tiny_recipe(models))
    said = decant("run", recipe, "--log-format", "xml")
    assert (said.code, said.lines) == (2, ["decant: --log-format xml: choose text or json"])


def test_progress_in_json(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    now = [0.0]
    monkeypatch.setattr(console.time, "monotonic", lambda: now[0])
    with Screen(form="json", run="my").watch("student", 100) as advance:
        for _ in range(2):
            now[0] += 20
            advance(5, "epoch 1/2")
    (line,) = capsys.readouterr().err.splitlines()
    content = json.loads(line)
    del content["time"]
    assert content == {
        "level": "info", "event": "progress", "run": "my", "of": "student", "done": 10, "total": 100,
        "seconds_left": 360, "message": "epoch 1/2",
    }  # fmt: skip


def test_a_quiet_screen_still_warns(capsys: pytest.CaptureFixture[str]) -> None:
    for form in ("text", "json"):
        screen = Screen(quiet=True, form=log_format(form))
        screen.say("a line")
        screen.warn("café")
    text, line = capsys.readouterr().err.splitlines()
    assert text == "decant: café"
    assert (json.loads(line)["level"], json.loads(line)["message"]) == ("warning", "café")


@pytest.mark.parametrize(
    ("arguments", "variable", "form"),
    [
        ([], "", "text"),
        ([], "json", "json"),
        (["run", "--log-format", "json"], "", "json"),
        (["run", "--log-format=json", "x"], "text", "json"),
        (["run", "--log-format", "text"], "json", "text"),
        (["run", "--log-format"], "", "text"),
        (["run", "--log-format", "xml"], "", "text"),
    ],
)
def test_the_format_of_errors(arguments: list[str], variable: str, form: str) -> None:
    assert asked_format(arguments, {VARIABLE: variable}) == form


def test_the_history_reads_both_formats(tmp_path: Path) -> None:
    log = tmp_path / "1.log"
    lines = ["$ decant run", "decant: earlier", "$ decant run", "decant: text", "other", '{"time": broken']
    lines += [log_line("info", "done", message="a stage").strip(), log_line("error", "failed", message="json").strip()]
    log.write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert last_words(log, 2) == "text; json"
    assert told_in(log_line("warning", "warning", message="w").strip()) == "w"


def test_a_line_holds_nothing_that_a_terminal_obeys() -> None:
    given = "\x1b[2J \x9b \u2028 \ud800 距離"
    line = log_line("info", "message", message=given)
    assert line.isascii()
    assert line.strip().isprintable()
    assert json.loads(line)["message"] == given


def test_a_warning_is_one_line_without_secrets(capsys: pytest.CaptureFixture[str]) -> None:
    for form in ("text", "json"):
        Screen(form=log_format(form)).warn("https://me:hunter2@example.org\n\x1b[2J")
    text, line = capsys.readouterr().err.splitlines()
    assert text == r"decant: https://***@example.org\n\x1b[2J"
    assert json.loads(line)["message"] == text.removeprefix("decant: ")


def test_a_defect_in_json_holds_its_trace_without_secrets(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def break_down(*_: object) -> None:
        raise RuntimeError("at postgresql://me:hunter2@db/x")

    monkeypatch.setattr("pipeline.pick.pick.read_report_json", break_down)
    monkeypatch.setenv(VARIABLE, "json")
    said = decant("pick", tmp_path)
    (error,) = events(said)
    assert (said.code, error["exit_code"]) == (1, 1)
    assert error["message"] == "a defect in Decant: RuntimeError: at postgresql://***@db/x"
    assert error["trace"].startswith("Traceback")
    assert "hunter2" not in said.err


def test_there_are_two_formats() -> None:
    with pytest.raises(InputError, match="--log-format xml: choose text or json"):
        log_format("xml")
