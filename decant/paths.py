"""Paths as they stand in recipes and arguments: any text at all."""

from __future__ import annotations

from pathlib import Path

from decant.errors import InputError


def expand_user(text: str | Path) -> Path:
    """The path, with ~ as the user's folder.

    Raises:
        InputError: ~NAME names no user of this machine.
    """
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise InputError(f"{text}: the folder of this user is not known here; write the path out") from error


def is_there(path: Path) -> bool:
    """Whether a file or folder is there; no path too long or looping for this system is."""
    try:
        return path.exists()
    except OSError:
        return False
