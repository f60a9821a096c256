"""Checksums of a finished stage's files: whether what is used again is what was written.

They find what a disk, a copy or a person has changed; they are no guard against forgery. XXH3 reads a gibibyte in a
twentieth of a second where sha256 takes 0.6 s, so that all of a run's folder can be looked at each time.
"""

from __future__ import annotations

from pathlib import Path

import xxhash

LOGS = "training"  # folder of curves to look at: they differ each time, and none is worth training again
CHUNK_BYTES = 1 << 20


def checksums_of(folder: Path, leave_out: str) -> dict[str, str]:
    """Relative path → XXH3-128 in hex of every file but the logs.

    Args:
        folder: of a stage.
        leave_out: the file in it that the checksums are to be written into.
    """
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    names = {path.relative_to(folder).as_posix(): path for path in paths}
    return {name: checksum(path) for name, path in names.items() if name != leave_out and not _is_log(name)}


def damaged(folder: Path, stated: dict[str, str]) -> dict[str, str]:
    """Relative path → what is wrong with it: `was removed`, or `was changed`. Files that are not stated are let be."""
    found = {}
    for name, digest in stated.items():
        path = folder / name
        try:
            if checksum(path) != digest:
                found[name] = "was changed"
        except FileNotFoundError:
            found[name] = "was removed"
        except OSError as error:  # such as a block that the disk gives no more
            found[name] = f"cannot be read ({error.strerror})"
    return found


def checksum(path: Path) -> str:
    """A file's XXH3-128, in hex."""
    digest = xxhash.xxh3_128()
    with path.open("rb", buffering=0) as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def _is_log(name: str) -> bool:
    return LOGS in name.split("/")[:-1]
