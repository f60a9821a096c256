"""What every input must keep to: it works or is refused in one line, within bounded time and memory."""

from __future__ import annotations

import resource
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from decant.errors import InputError
from pipeline.recipe.recipe import RecipeError

CPU_SECONDS = 10.0
MEMORY_BYTES = 1 << 30  # that one input may add to what the process has
LINE_CHARACTERS = 2000


class TooLong(BaseException):
    """An input took more processor time than it may; no `except Exception` swallows it."""


def _stop(number: int, frame: FrameType | None) -> None:
    raise TooLong(f"more than {CPU_SECONDS:g} s of processor time")


@contextmanager
def bounded() -> Iterator[None]:
    """Stop what takes more processor time or memory than one input may.

    Time is the process's own, so that a busy machine fails nothing.
    """
    before = signal.signal(signal.SIGPROF, _stop)
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + MEMORY_BYTES, hard))
    signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
        signal.signal(signal.SIGPROF, before)


def works_or_refuses(call: Callable[..., Any], *arguments: Any, lines: int = 1) -> Any:
    """What the call gives, or None where it refuses its input as it should.

    Args:
        call: must return or raise InputError.
        arguments: of the call.
        lines: the most lines that a refusal may have; a recipe's has one an error.
    """
    with bounded():
        try:
            return call(*arguments)
        except InputError as error:
            said = str(error).splitlines()
            most = len(error.errors) if isinstance(error, RecipeError) else lines
            assert 1 <= len(said) <= most, f"{len(said)} lines: {said!r}"
            assert all(line.strip() for line in said), said
            assert max(map(len, said)) <= LINE_CHARACTERS, f"a line of {max(map(len, said))} characters"
            return None
