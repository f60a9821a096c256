"""How a long step tells that it gets on, without knowing who shows it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol


class Advance(Protocol):
    """Called with the number of items finished since the last call, and a few words on where it stands."""

    def __call__(self, done: int, note: str = "", /) -> None: ...


class Watch(Protocol):
    """Opens a progress bar: what is done, and how many items it has."""

    def __call__(self, label: str, total: int) -> AbstractContextManager[Advance]: ...


@contextmanager
def unwatched(label: str, total: int) -> Iterator[Advance]:
    """A Watch that shows nothing."""

    def advance(done: int, note: str = "", /) -> None:
        return None

    yield advance
