"""Commands as child processes, tried again where another try may help."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from decant.errors import BAD_INPUT, DONE, GATE_FAILED, INTERRUPTED
from decant.secrets import redacted
from pipeline.screen.log_lines import told_in

SETTLED = (DONE, BAD_INPUT, GATE_FAILED, INTERRUPTED)
GRACE_S = 8.0  # for a child to write down where it is; what is done is kept either way
LAST_BYTES = 8192


@dataclass(frozen=True)
class Outcome:
    """How a command ended: its exit code, negative for a signal's number, the tries, and its last words."""

    code: int
    attempts: int
    said: str


def attempt(
    command: Sequence[str],
    log: Path,
    retries: int,
    backoff_s: float,
    hold: Sequence[int] = (),
    environment: Mapping[str, str] | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> Outcome:
    """Run a command until it is done, or what stops it would stop it again.

    Bad input, a gate and an interruption are not tried again; defects, kills and what may pass by itself are, after
    back-off.

    Args:
        command: argument list, run without a shell.
        log: file that its output is added to.
        retries: tries after the first.
        backoff_s: seconds before the first retry; doubled each time.
        hold: descriptors that the child keeps open, such as a lock's.
        environment: variables over our own, for what is not to be seen among the arguments.
        sleep: waits; a stand-in in tests.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    for tried in range(1, retries + 2):
        _note(log, redacted(f"$ {' '.join(command)}\n"))
        with log.open("ab") as file:
            code = _run(command, file.fileno(), hold, environment or {})
        if code in SETTLED or tried > retries:
            break
        wait = backoff_s * 2 ** (tried - 1)
        _note(log, f"ended with {code}; tried again in {wait:g} s\n")
        sleep(wait)
    return Outcome(code, tried, last_words(log, code))


def last_words(log: Path, code: int) -> str:
    """Why a command ended as it did: its last lines that tell of errors and warnings, or the signal's name."""
    if code < 0:
        try:
            return f"killed by {signal.Signals(-code).name}"
        except ValueError:
            return f"killed by signal {-code}"
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - LAST_BYTES))
        lines = file.read().decode("utf-8", "replace").splitlines()
    begun = max((i for i, line in enumerate(lines) if line.startswith("$ ")), default=-1)
    return "; ".join(said for said in map(told_in, lines[begun + 1 :]) if said is not None)


def _note(log: Path, line: str) -> None:
    with suppress(OSError):  # a full disk is what the next try may find free again
        with log.open("ab") as file:
            file.write(line.encode("utf-8", "backslashreplace"))


def _run(command: Sequence[str], output: int, hold: Sequence[int], environment: Mapping[str, str]) -> int:
    child = subprocess.Popen(
        list(command), stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, pass_fds=tuple(hold),
        env=os.environ | environment,
    )  # fmt: skip
    try:
        return child.wait()
    finally:
        stop(child)


def stop(child: subprocess.Popen[bytes], grace_s: float = GRACE_S) -> None:
    """End a child that is still there: SIGTERM, and SIGKILL where that does not help."""
    if child.poll() is not None:
        return
    child.terminate()
    try:
        child.wait(grace_s)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
