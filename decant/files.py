"""Files: written whole or not at all, told by their sha256, read as an object; and paths as they stand in a recipe."""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from decant.errors import InputError, one_line


@contextmanager
def written_whole(target: Path, *, on_disk: bool = False) -> Iterator[Path]:
    """A path to write a file or a folder to: it becomes `target` once the block ends, and is gone if the block raises.

    It lies in a folder beside the target, which goes with all else that is in it. A process that was killed leaves such
    a folder; the next one removes it. So one process at a time writes a target.

    Args:
        target: its folder is made; what is there is replaced.
        on_disk: the content is on the disk before it counts, so that the machine may fail at any time.
    """
    target = target.absolute()
    scratch = target.with_name(f".{target.name}.new")
    written, old = scratch / target.name, scratch / f"{target.name}.old"
    if old.exists() and not target.exists():  # a process was killed while it put the new folder in place
        old.rename(target)
    if scratch.is_dir():
        shutil.rmtree(scratch)
    scratch.unlink(missing_ok=True)
    scratch.mkdir(parents=True)
    try:
        yield written
        for path in [*written.rglob("*"), written] if on_disk else []:
            _sync(path)
        put_in_place(written, target, old)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    if on_disk:
        _sync(target.parent)


def put_in_place(written: Path, target: Path, old: Path) -> None:
    """Let a complete file or folder take the place of `target`; a folder that is there goes to `old`."""
    if written.is_dir() and target.exists():
        target.rename(old)
    try:
        written.replace(target)
    except OSError:
        if old.exists():
            old.rename(target)
        raise


def write_json(
    path: Path, content: object, *, indent: int | None = 2, sort_keys: bool = False, ascii_only: bool = False
) -> None:
    """JSON with a newline at its end, written whole or not at all."""
    text = json.dumps(content, indent=indent, sort_keys=sort_keys, ensure_ascii=ascii_only)
    with written_whole(path) as written:
        written.write_text(text + "\n", encoding="utf-8")


def read_object(path: Path) -> dict[str, Any]:
    """The object that a JSON file holds, which someone else may have written.

    Raises:
        InputError: the file cannot be read, is not JSON in UTF-8, or holds something else.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:  # ValueError: not UTF-8, not JSON, or a number of 4,300 digits
        raise InputError(f"{path} is not JSON: {one_line(error)}") from error
    if not isinstance(content, dict):
        raise InputError(f"{path} holds no JSON object, but {type(content).__name__}")
    return content


def whole_number(path: Path, content: Mapping[str, Any], key: str) -> int | None:
    """A count that a file states, 1 or more; None where it states none.

    Raises:
        InputError: it states something else.
    """
    value = content.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 1:
        raise InputError(f"{path}: {key} {value!r} is no number of 1 or more")
    return int(value)


def sha256_of(path: Path) -> str:
    """A file's sha256, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


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


def _sync(path: Path) -> None:
    """Have a file's content, or a folder's names, on disk."""
    if path.is_dir() and os.name != "posix":  # Windows opens no folders
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
