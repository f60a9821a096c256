"""`decant` in a child that is forked from this process, so that 100 runs do not import torch 100 times."""

from __future__ import annotations

import importlib
import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

PATIENCE_S = 300.0
LOOK_S = 0.002


@dataclass
class Child:
    """A running command; `said` is the file of its stderr."""

    pid: int
    said: Path
    code: int | None = None

    def poll(self) -> int | None:
        """Its exit code, negative for a signal's number; None while it runs."""
        if self.code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self.code = os.waitstatus_to_exitcode(status) if pid else None
        return self.code

    def wait(self) -> int:
        """Its exit code, once it has one.

        Raises:
            TimeoutError: it takes too long; it is killed.
        """
        end = time.monotonic() + PATIENCE_S
        while (code := self.poll()) is None:
            if time.monotonic() > end:
                self.send(signal.SIGKILL)
                raise TimeoutError(f"no end after {PATIENCE_S:.0f} s")
            time.sleep(LOOK_S)
        return code

    def send(self, number: int) -> None:
        """A signal, if it is still there."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def lines(self) -> list[str]:
        """What it wrote to stderr."""
        return self.said.read_text(encoding="utf-8", errors="replace").splitlines()


def nothing() -> None:
    """Where a child has nothing more to do than its command."""


def start(
    arguments: Sequence[object], said: Path, before: Callable[[], None] = nothing, after: Callable[[], None] = nothing
) -> Child:
    """Begin `decant ARGUMENTS`.

    Args:
        arguments: the command line's.
        said: file for its stderr.
        before: called in the child first, such as to plant a fault.
        after: called in the child once its command has ended.
    """
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        return Child(pid, said)
    code = 70
    try:
        for descriptor, path in ((1, Path(os.devnull)), (2, said)):
            os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644), descriptor)
        sys.argv = ["decant", *map(str, arguments)]
        before()
        code = _main()
        after()
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def write_modules(path: Path) -> Callable[[], None]:
    """An `after` that writes down what the child has imported."""
    return lambda: _write(path, "\n".join(sys.modules))


def import_modules(path: Path) -> None:
    """Import here what a child has imported, so that later children need not; imports start no thread."""
    for name in path.read_text(encoding="utf-8").splitlines():
        with suppress(Exception):  # some are made by others, and cannot be imported by their name
            importlib.import_module(name)


def largest_file(size: int) -> Callable[[], None]:
    """A `before` that lets no file grow beyond so many bytes: the write fails as on a full disk."""

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    return limit


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def _main() -> int:
    from pipeline.cli.app import main

    try:
        main()
    except SystemExit as end:
        sys.stdout.flush()
        sys.stderr.flush()
        return end.code if isinstance(end.code, int) else 1
