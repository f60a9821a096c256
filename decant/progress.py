"""How a long step tells that it gets on, without knowing who shows it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from lightning.pytorch.loggers import Logger


class Advance(Protocol):
    """Called with the number of items finished since the last call, and a few words on where it stands."""

    def __call__(self, done: int, note: str = "", /) -> None: ...


class Watch(Protocol):
    """Opens a progress bar: what is done, and how many items it has."""

    def __call__(self, label: str, total: int) -> AbstractContextManager[Advance]: ...


@runtime_checkable
class Logged(Protocol):
    """What a Watch may be besides: one who names loggers for a training, beside those in its own folder."""

    def loggers(self, training: Path, /) -> list[Logger]: ...


@contextmanager
def unwatched(label: str, total: int) -> Iterator[Advance]:
    """A Watch that shows nothing."""

    def advance(done: int, note: str = "", /) -> None:
        return None

    yield advance
