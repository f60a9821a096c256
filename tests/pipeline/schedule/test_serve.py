import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from decant.errors import InputError
from pipeline.schedule import work as work_module
from pipeline.schedule.lock import recipe_lock
from pipeline.schedule.serve import SCHEDULER, recover, serve
from pipeline.schedule.store import Store
from pipeline.schedule.work import work
from tests.pipeline.schedule.conftest import schedule, stand_in, times_run
from tests.prometheus_reader import read_textfile
from tests.tiny_runs import decant

PATIENCE_S = 60.0


def until(holds: Callable[[], object]) -> None:
    """Wait for something that another process does."""
    end = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)


def settle(store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a run behind us, so that the next ones find nothing changed."""
    monkeypatch.setattr(work_module, "run_command", lambda one: stand_in(folder))
    work(store, folder / "state", "my", "by hand", if_changed=False, say=lambda text: None)


def test_runs_that_were_missed_are_made_up_for_by_one_in_a_process_of_its_own(
    store: Store, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.add(schedule(tmp_path, created=time.time() - 36_000))
    settle(store, tmp_path, monkeypatch)
    missed = time.time() - 30_000  # more than eight hours ago, every hour
    store.move("my", missed)
    stopped = threading.Event()
    arguments = (store, url, tmp_path / "state", 1, lambda text: None, stopped)
    scheduler = threading.Thread(target=serve, args=arguments)
    scheduler.start()
    try:
        until(lambda: len(store.runs()) == 2 and store.runs()[1].ended)
        time.sleep(1.5)  # in which others would begin
    finally:
        stopped.set()
        scheduler.join()
    runs = store.runs()
    assert [(run.cause, run.state, run.said) for run in runs[1:]] == [
        ("schedule", "skipped", "nothing changed in data, recipe and code")
    ]
    assert runs[1].ended - runs[1].started < 2
    assert times_run(tmp_path) == 1
    assert 0 < store.planned("my").next_run - time.time() <= 3600


def test_a_schedule_that_is_added_meanwhile_is_seen_and_a_paused_one_rests(
    store: Store, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped = threading.Event()
    scheduler = threading.Thread(target=serve, args=(store, url, tmp_path / "state", 1, lambda text: None, stopped))
    scheduler.start()
    try:
        store.add(schedule(tmp_path, name="rests", every_s=1))
        store.pause("rests", paused=True, at=time.time())
        store.add(schedule(tmp_path, every_s=1, promote_to="/r", pairs=str(tmp_path / "data.tsv")))
        (tmp_path / "recipe.yaml").unlink()
        until(
            lambda: [run for run in store.runs("my") if run.state == "failed"]
        )  # one may meet another, and be skipped
    finally:
        stopped.set()
        scheduler.join()
    assert store.runs("rests") == []


def test_one_scheduler_a_home(store: Store, url: str, tmp_path: Path) -> None:
    with recipe_lock(tmp_path / "state", SCHEDULER):
        with pytest.raises(InputError, match="another scheduler is at work here"):
            serve(store, url, tmp_path / "state", 1, lambda text: None, threading.Event())


def test_runs_that_died_without_a_word_are_closed_and_due_again(store: Store, tmp_path: Path) -> None:
    store.add(schedule(tmp_path, name="lost"))
    alive = tmp_path / "alive"
    alive.mkdir()
    store.add(schedule(alive, name="alive"))
    for name in ("lost", "alive", "removed"):
        store.begin(name, "schedule")
    with recipe_lock(tmp_path / "state", str(alive / "recipe.yaml")):
        recover(store, tmp_path / "state", lambda text: None)
    assert {run.name: run.state for run in store.runs()} == {"lost": "lost", "alive": "running", "removed": "lost"}
    assert store.planned("lost").next_run <= time.time()
    assert store.planned("alive").next_run > time.time()


def test_a_schedule_that_is_lost_again_and_again_waits_for_its_time(store: Store, tmp_path: Path) -> None:
    store.add(schedule(tmp_path, retries=1))
    regular = store.planned("my").next_run
    folder = tmp_path / "collected"
    folder.mkdir()

    def lost() -> tuple[bool, str]:
        """Whether the schedule is due at once after a run of it that died, and what is said of it."""
        said = list[str]()
        number = store.begin("my", "schedule")
        store.move("my", regular)
        recover(store, tmp_path / "state", said.append, folder)
        told = read_textfile(folder / "decant_schedule_my.prom")
        assert told["decant_schedule_status", "name=my", "status=lost"] == 1
        assert told["decant_schedule_end_timestamp_seconds", "name=my"] == store.runs("my", 1)[0].ended
        assert told["decant_schedule_next_run_timestamp_seconds", "name=my"] == store.planned("my").next_run
        return store.planned("my").next_run != regular, said[0].removeprefix(f"my: run {number} was lost")

    assert lost() == (True, "")
    store.end(store.begin("my", "schedule"), "skipped", "another run of this recipe is at work")
    assert lost() == (False, "; 2 were in a row, so the schedule waits for its next time")
    assert lost() == (False, "; 3 were in a row, so the schedule waits for its next time")
    store.end(store.begin("my", "schedule"), "failed")
    assert lost() == (True, "")


def test_sigterm_ends_the_foreground_and_its_runs(store: Store, url: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pipeline.cli", "schedule", "start", "--home", str(tmp_path / "state")]
    environment = os.environ | {"DECANT_SCHEDULES": url}
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE) as scheduler:
        assert scheduler.stderr is not None
        assert scheduler.stderr.readline() == f"0 schedules; logs in {tmp_path / 'state' / 'logs'}\n".encode()
        until(lambda: decant_is_held(tmp_path))
        scheduler.send_signal(signal.SIGTERM)
        assert scheduler.wait(PATIENCE_S) == 0
        assert scheduler.stderr.read() == b"stopped; what is unfinished goes on at the next run\n"


def decant_is_held(folder: Path) -> bool:
    with recipe_lock(folder / "state", SCHEDULER) as descriptor:
        return descriptor is None


def test_the_verbs(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DECANT_SCHEDULES", url)
    monkeypatch.setenv("DECANT_HOME", str(tmp_path / "state"))
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("name: my\npromotion: {pairs: today.tsv}\n", encoding="utf-8")
    added = decant("schedule", "add", recipe, "--cron", "30 2 * * *", "--timezone", "Europe/Berlin", "--set", "seed=1")
    assert (added.code, added.text) == (
        0, "added my: cron 30 2 * * * (Europe/Berlin); `decant schedule start` runs it\n"
    )  # fmt: skip
    assert decant("schedule", "add", recipe, "--every", "6h", "--name", "other", "--promote-to", "r").code == 0
    mine, other = decant("schedule", "list", "--json").json()
    assert (mine["name"], mine["overrides"], mine["run"]) == ("my", ["seed=1"], str(Path("runs/my").absolute()))
    assert (other["every_s"], other["promote_to"]) == (21_600, str(Path("r").absolute()))
    assert decant("schedule", "pause", "my").text == "my rests\n"
    assert "paused" in decant("schedule", "list").text
    assert decant("schedule", "pause", "my", "--resume").text == "my goes on\n"
    assert decant("schedule", "remove", "other").code == 0
    beir = tmp_path / "today"
    beir.mkdir()
    promoting = ("schedule", "add", recipe, "--name", "beir", "--every", "6h", "--promote-to", "r", "--pairs")
    assert decant(*promoting, beir).code == 0
    gone = decant(*promoting, tmp_path / "gone")
    assert (gone.code, gone.lines) == (2, [f"decant: --pairs {tmp_path / 'gone'}: no such file or folder"])
    assert decant("schedule", "remove", "beir").code == 0
    recipe.unlink()
    failed = decant("schedule", "run-now", "my")
    assert (failed.code, failed.text) == (2, f"my: failed: {recipe}: No such file or directory\n")
    assert "failed" in decant("schedule", "history").text
    assert [run["cause"] for run in decant("schedule", "history", "my", "--json").json()] == ["by hand"]
    assert decant("schedule", "run-now", "nope").lines == ["decant: there is no schedule nope; there are: my"]
    refused = decant("schedule", "add", recipe, "--every", "1h")
    assert refused.code == 2


def test_help_shows_examples() -> None:
    for verb in ("add", "list", "remove", "pause", "run-now", "history", "start"):
        said = decant("schedule", verb, "--help")
        assert said.code == 0
        assert f"decant schedule {verb}" in said.text
