"""What a person sees while a run is at work: bars with time left on a terminal, plain lines in a log file."""

from __future__ import annotations

import copy
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from decant.errors import shown
from decant.progress import Advance
from pipeline.screen.log_lines import LogFormat, log_line
from pipeline.screen.text_console import text_console

if TYPE_CHECKING:
    from lightning.pytorch.loggers import Logger

PLAIN_SECONDS = 30.0


@dataclass(frozen=True)
class Watching:
    """A Watch of a screen, which names loggers for trainings too."""

    open: Callable[[str, int], AbstractContextManager[Advance]]
    loggers: Callable[[Path], list[Logger]]

    def __call__(self, label: str, total: int) -> AbstractContextManager[Advance]:
        return self.open(label, total)


class Screen:
    """Shows stages and bars on stderr, so that stdout stays clean for tables and JSON.

    Args:
        quiet: show nothing but warnings.
        form: text for people, or json: one object a line, for a collector of logs.
        run: name of the run, which each object holds; empty: none does.
    """

    def __init__(self, *, quiet: bool = False, form: LogFormat = "text", run: str = "") -> None:
        self.console = text_console(stderr=True, quiet=quiet, highlight=False)
        self.form, self._quiet = form, quiet
        self._of_run = {"run": run} if run else {}
        self._loggers: Callable[[Path], list[Logger]] = lambda training: []

    def say(self, text: str) -> None:
        """One line."""
        if self.form == "json":
            self._write("message", message=text)
        else:
            self.console.print(text, soft_wrap=True)

    def stage(self, name: str, seconds: float, what: str, *, reused: bool) -> None:
        """A finished stage: how long it took, and what came of it."""
        if self.form == "json":
            event = "reused" if reused else "done"
            self._write(event, stage=name, seconds=round(seconds, 3), message=what)
        else:
            self.say(f"{name:<10} {'reused' if reused else duration(seconds):>12}   {what}")

    def warn(self, text: str) -> None:
        """One line that a quiet screen shows too."""
        said = shown(text)
        as_json = self.form == "json"
        line = log_line("warning", "warning", **self._of_run, message=said) if as_json else f"decant: {said}\n"
        sys.stderr.write(line)

    def with_loggers(self, loggers: Callable[[Path], list[Logger]]) -> Screen:
        """The same screen, whose watch names loggers for a training's folder."""
        other = copy.copy(self)
        other._loggers = loggers
        return other

    @property
    def watch(self) -> Watching:
        """Opens a bar of so many items; a line every 30 seconds where there is no terminal."""
        return Watching(self._open, self._loggers)

    @contextmanager
    def _open(self, label: str, total: int) -> Iterator[Advance]:
        if total == 0:
            yield _nothing
        elif self.console.is_terminal and self.form == "text":
            with self._bar(label, total) as advance:
                yield advance
        else:
            with self._lines(label, total) as advance:
                yield advance

    @contextmanager
    def _bar(self, label: str, total: int) -> Iterator[Advance]:
        columns = (
            TextColumn("  {task.description}", markup=False), BarColumn(bar_width=24), MofNCompleteColumn(),
            TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn(),
            TextColumn("{task.fields[note]}", markup=False),
        )  # fmt: skip
        with Progress(*columns, console=self.console, transient=True) as progress:
            task = progress.add_task(label, total=total, note="")

            def advance(done: int, note: str = "", /) -> None:
                progress.update(task, advance=done)
                if note:
                    progress.update(task, note=note)

            yield advance

    @contextmanager
    def _lines(self, label: str, total: int) -> Iterator[Advance]:
        started = told = time.monotonic()
        finished = 0

        def advance(done: int, note: str = "", /) -> None:
            nonlocal finished, told
            finished += done
            now = time.monotonic()
            if now - told >= PLAIN_SECONDS and finished:
                told = now
                left = (now - started) / finished * (total - finished)
                if self.form == "json":
                    facts = {"done": finished, "total": total, "seconds_left": round(left)}
                    self._write("progress", of=label, **facts, message=note)
                else:
                    self.say(f"  {label} {finished}/{total}, about {duration(left)} left{f' · {note}' if note else ''}")

        yield advance

    def _write(self, event: str, **facts: object) -> None:
        if not self._quiet:
            sys.stderr.write(log_line("info", event, **self._of_run, **facts))


def duration(seconds: float) -> str:
    """Seconds as a person says them: 4 s, 3 min 20 s, 2 h 5 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def _nothing(done: int, note: str = "", /) -> None:
    return None
