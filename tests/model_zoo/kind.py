"""What the zoo lists: kinds of folder that a reader follows exactly, and kinds that it refuses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

Build = Callable[[Path], None]


@dataclass(frozen=True)
class Kind:
    """A kind of embedding model that sentence-transformers loads.

    Args:
        name: unique, fit for a folder and a test's id.
        what: one line for people.
        build: writes the model into a folder, which it makes; the same bytes of weights every time.
        spoil: edits a built folder so that what is special about the kind is lost but the folder still loads;
            its vectors must then differ. None where the architecture itself is what is special.
        tasks: what `vectors` may be asked by `task`: None is `encode`; "query" and "document" where they differ.
    """

    name: str
    what: str
    build: Build
    spoil: Build | None = None
    tasks: tuple[str | None, ...] = (None,)


@dataclass(frozen=True)
class Refused:
    """A kind of folder whose vectors are not to be had, or not from what the folder says.

    Args:
        name: unique, fit for a folder and a test's id.
        what: one line for people.
        build: writes the folder, as real as can be.
        says: a regex that the refusal must match: what the folder is, or what would be accepted.
        loads: whether sentence-transformers itself gives vectors for TEXTS, be they what the folder means or not.
    """

    name: str
    what: str
    build: Build
    says: str
    loads: bool = True
