"""Passwords, tokens and webhooks are in no message, log, table, recipe of a run or report."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from decant.errors import InputError, shown
from decant.secrets import redacted
from pipeline.cli.new_schedule import new_schedule
from pipeline.cli.schedule_tables import planned_json
from pipeline.cli.schedule_verbs import ScheduleOptions
from pipeline.recipe.recipe import load_recipe, recipe_yaml
from pipeline.schedule.attempts import attempt
from pipeline.schedule.store import Planned
from tests.tiny_runs import decant

SECRET = "s3cr3t-9f8e7d6c"
HOLDERS = [
    "postgresql+psycopg://user:{}@db.example.org/schedules", "postgresql://user:p@{}@db/x", "s3://key:{}@bucket/models",
    "https://{}@git.example.org/x", "https://hooks.example.org/x?token={}&a=b", "https://x.org/?X-Amz-Signature={}",
    "ftp://user:{}@host/registry", "promotion.webhook=https://hooks.example.org/services/{}",
    "webhook: 'https://hooks.example.org/services/{}'", "https://x.org/?access_key={}#part",
]  # fmt: skip
PLAIN = [
    "runs/stsb/artifacts/L6xD384-fp32", "https://hub.example.org/a/b?page=2", "webhook at host answered 500",
    "promotion.webhook=env:HOOK", "promotion.webhook=null", "s3://bucket/models", "key: value", "me@example.org",
]  # fmt: skip


@pytest.mark.parametrize("holder", HOLDERS)
def test_what_looks_like_a_secret_is_left_out(holder: str) -> None:
    text = holder.format(SECRET)
    assert SECRET not in redacted(text)
    assert "***" in redacted(text)
    assert SECRET not in str(InputError(f"{text}: no such place"))
    assert str(InputError(f"{text}: no such place")).endswith(": no such place")


@pytest.mark.parametrize("text", PLAIN)
def test_nothing_else_is(text: str) -> None:
    assert redacted(text) == text


def test_what_the_environment_holds_as_a_secret_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", SECRET)
    assert shown(f"401 for token {SECRET} at the hub") == "401 for token *** at the hub"
    assert shown("hf_abcdefghijklmnop is refused") == "*** is refused"


@pytest.mark.parametrize("holder", [one for one in HOLDERS if "webhook" not in one and "://" in one])
@pytest.mark.parametrize("command", [["releases"], ["rollback"]])
def test_commands_name_a_registry_without_its_password(command: list[str], holder: str) -> None:
    said = decant(*command, holder.format(SECRET))
    assert said.code in (2, 75)
    assert SECRET not in said.err + said.text
    assert "Traceback" not in said.err
    assert holder.partition("://")[0] in said.err


def test_a_store_is_named_without_its_password(tmp_path: Path) -> None:
    pytest.importorskip("sqlalchemy")
    url = f"postgresql+nosuchdriver://user:{SECRET}@localhost:1/x"
    said = decant("schedule", "list", "--store", url, "--home", tmp_path)
    assert said.code == 2
    assert SECRET not in said.err


def test_the_recipe_of_a_run_and_its_report_hold_no_webhook(project: Path) -> None:
    hook = f"https://hooks.example.org/services/{SECRET}"
    recipe = load_recipe(project, [f"promotion.webhook={hook}"])
    assert recipe.promotion is not None
    assert recipe.promotion.webhook == hook, "a promotion needs it"
    assert SECRET not in recipe_yaml(recipe)  # a run's recipe.yaml
    assert SECRET not in json.dumps(recipe.model_dump(mode="json"))  # what a report holds of it
    wrong = decant("validate", project, "--set", f"promotion.webhook=ftp://hooks.example.org/{SECRET}")
    assert wrong.code == 2
    assert "promotion.webhook: give an http:// or https:// URL" in wrong.err
    assert SECRET not in wrong.err


@pytest.mark.slow
def test_no_file_of_a_run_holds_a_webhook(project: Path, tmp_path: Path) -> None:
    run = ["run", project, "--set", f"promotion.webhook=https://hooks.example.org/services/{SECRET}", "--quiet"]
    assert decant(*run, "--out", tmp_path / "run").code == 0
    held = [path for path in (tmp_path / "run").rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()]
    assert held == []


def test_logs_and_lists_of_schedules_hold_no_secret(tmp_path: Path) -> None:
    hook, registry = f"promotion.webhook=https://hooks.example.org/{SECRET}", f"s3://key:{SECRET}@bucket/models"
    log = tmp_path / "run.log"
    ended = attempt([sys.executable, "-c", "pass", "--set", hook, "--to", registry], log, 0, 0)
    assert ended.code == 0
    assert "promotion.webhook=***" in log.read_text(encoding="utf-8")
    assert SECRET not in log.read_text(encoding="utf-8")
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("name: my\n", encoding="utf-8")
    (tmp_path / "pairs.tsv").touch()
    options = ScheduleOptions(
        every="1h", timezone="UTC", set_=[hook], promote_to=registry, pairs=tmp_path / "pairs.tsv", retries=0,
        backoff="1s",
    )  # fmt: skip
    schedule = new_schedule(recipe, options)
    assert schedule.promote_to == registry, "the run itself needs it"
    assert SECRET not in json.dumps(planned_json(Planned(schedule, None, False)))


def test_a_defect_is_told_without_secrets(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def break_down(*_: object) -> None:
        raise RuntimeError(f"at postgresql://user:{SECRET}@db/x")

    monkeypatch.setattr("pipeline.pick.pick.read_report_json", break_down)
    said = decant("pick", tmp_path)
    assert said.code == 1
    assert "a defect in Decant: RuntimeError: at postgresql://***@db/x" in said.err
    assert SECRET not in said.err
