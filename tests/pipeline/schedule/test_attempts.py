import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from pipeline.schedule.attempts import Outcome, attempt

COUNTING = (
    "import sys, pathlib; p = pathlib.Path(sys.argv[1]); p.write_text((p.read_text() if p.exists() else '') + 'x');"
)


def tried(folder: Path, ending: str, retries: int) -> tuple[Outcome, int, list[float]]:
    """What came of a command, how often it ran, and how long each wait was."""
    waits: list[float] = []
    command = [sys.executable, "-c", f"{COUNTING} {ending}", str(folder / "count")]
    outcome = attempt(command, folder / "logs" / "1.log", retries, 5.0, sleep=waits.append)
    return outcome, len((folder / "count").read_text()), waits


@pytest.mark.parametrize("code", [0, 2, 3, 130])
def test_what_would_end_the_same_way_is_not_tried_again(tmp_path: Path, code: int) -> None:
    outcome, times, waits = tried(tmp_path, f"print('decant: so'); sys.exit({code})", 3)
    assert (outcome, times, waits) == (Outcome(code, 1, "so"), 1, [])


@pytest.mark.parametrize("code", [1, 75])
def test_a_defect_or_what_may_pass_is_tried_again_after_back_off(tmp_path: Path, code: int) -> None:
    outcome, times, waits = tried(tmp_path, f"print('decant: one\\ndecant: two'); sys.exit({code})", 3)
    assert (outcome, times, waits) == (Outcome(code, 4, "one; two"), 4, [5.0, 10.0, 20.0])


def test_a_kill_is_tried_again_and_may_succeed(tmp_path: Path) -> None:
    ending = "len(p.read_text()) < 3 and __import__('os').kill(__import__('os').getpid(), 9)"
    outcome, times, waits = tried(tmp_path, ending, 5)
    assert (outcome, times, waits) == (Outcome(0, 3, ""), 3, [5.0, 10.0])


def test_a_kill_is_named(tmp_path: Path) -> None:
    outcome, _, _ = tried(tmp_path, "__import__('os').kill(__import__('os').getpid(), 9)", 0)
    assert outcome == Outcome(-9, 1, "killed by SIGKILL")


def test_the_log_holds_every_try(tmp_path: Path) -> None:
    tried(tmp_path, "print('here', flush=True); sys.exit(1)", 1)
    lines = (tmp_path / "logs" / "1.log").read_text().splitlines()
    assert [line for line in lines if not line.startswith("$")] == ["here", "ended with 1; tried again in 5 s", "here"]


def test_an_interruption_takes_the_child_along(tmp_path: Path) -> None:
    class Stop(Exception):
        pass

    def interrupt(*_: object) -> None:
        raise Stop

    before = signal.signal(signal.SIGUSR1, interrupt)
    pid = tmp_path / "pid"
    code = "import os, sys, pathlib, time; pathlib.Path(sys.argv[1]).write_text(str(os.getpid())); time.sleep(60)"

    def wait_and_signal() -> None:
        while not pid.is_file() or not pid.read_text():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGUSR1)

    sender = threading.Thread(target=wait_and_signal)
    sender.start()
    try:
        with pytest.raises(Stop):
            attempt([sys.executable, "-c", code, str(pid)], tmp_path / "log", 3, 0.0)
    finally:
        sender.join()
        signal.signal(signal.SIGUSR1, before)
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)
