"""One run at a time per recipe: an advisory lock of the system (flock) that a run and its children hold together.

Killing the holder, by kill -9 too, releases it; and where only the one that started the run is killed, the run that
goes on without it holds it still.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from decant.errors import InputError
from decant.temporary import raised_for


@contextmanager
def recipe_lock(home: Path, recipe: str) -> Iterator[int | None]:
    """Hold the recipe's lock, if it is free.

    Args:
        home: folder of the schedules' state.
        recipe: its absolute path.

    Yields:
        The descriptor that holds it, to be passed on to children; None: another run holds it.

    Raises:
        InputError: this system has no flock, or the folder cannot be written.
    """
    try:
        import fcntl
    except ImportError as error:
        raise InputError("schedules need flock, which this system does not have; use Linux or macOS") from error
    path = home / "locks" / f"{hashlib.sha256(recipe.encode()).hexdigest()[:16]}.lock"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        said = f"{path} cannot be written ({error.strerror}); give --home another folder"
        raise raised_for(error)(said) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
        else:
            yield descriptor
    finally:
        os.close(descriptor)  # not unlocked: a child that outlives us holds it by the same open file


def is_held(home: Path, recipe: str) -> bool:
    """Whether a run of this recipe is at work."""
    with recipe_lock(home, recipe) as descriptor:
        return descriptor is None
