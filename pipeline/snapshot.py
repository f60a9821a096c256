"""Which files something was made from, and whether they are still the same; nothing of training is loaded."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from decant.files import sha256_of, write_json

PACKAGES = ("pipeline", "export", "students", "teachers", "decant")
CODE = {".py", ".mjs", ".jinja"}
LIBRARIES = (
    "datasets", "lightning", "numpy", "onnx", "onnxruntime", "onnxruntime-gpu", "tokenizers", "torch", "transformers",
)  # fmt: skip


class Fact(NamedTuple):
    """One file: bytes, time of its last change in nanoseconds, and sha256 in hex."""

    size: int
    mtime_ns: int
    sha256: str


Snapshot = dict[str, dict[str, Fact]]  # a file or folder → the path inside it ("" for a file) → the fact


def take_snapshot(roots: Iterable[Path], known: Snapshot | None = None) -> Snapshot:
    """Every file at or under the given places. A place where nothing is has no files.

    Args:
        roots: files and folders.
        known: an earlier one, whose sha256 are taken over where size and time are the same.
    """
    taken: Snapshot = {}
    for root in sorted({path.absolute() for path in roots}):
        earlier = (known or {}).get(str(root), {})
        inside = sorted(path for path in root.rglob("*") if path.is_file()) if root.is_dir() else [root]
        files = {path.relative_to(root).as_posix() if path != root else "": path for path in inside if path.is_file()}
        taken[str(root)] = {name: _fact(path, earlier.get(name)) for name, path in files.items()}
    return taken


def changed_file(snapshot: Snapshot) -> str | None:
    """The first file that is new, gone or of other content since; None where all is the same."""
    for root, then in snapshot.items():
        now = take_snapshot([Path(root)], snapshot)[root]
        for name in sorted(then.keys() | now.keys()):
            if then.get(name, Fact(0, 0, "")).sha256 != now.get(name, Fact(0, 0, "")).sha256:
                return str(Path(root) / name) if name else root
    return None


def write_snapshot(snapshot: Snapshot, path: Path) -> None:
    """As JSON, in one go."""
    write_json(path, snapshot, indent=None, ascii_only=True)


def read_snapshot(path: Path) -> Snapshot | None:
    """What `write_snapshot` wrote; None where it cannot be read."""
    try:
        return parse_snapshot(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, RecursionError):
        return None


def parse_snapshot(content: object) -> Snapshot:
    """A snapshot from JSON values.

    Raises:
        ValueError: it is none.
    """
    if not isinstance(content, dict):
        raise ValueError("a snapshot is a mapping")
    try:
        return {
            str(root): {str(name): Fact(int(one[0]), int(one[1]), str(one[2])) for name, one in files.items()}
            for root, files in content.items()
        }
    except (AttributeError, IndexError, KeyError, OverflowError, TypeError) as error:
        raise ValueError("a snapshot holds size, time and sha256 of each file") from error


def code_digest() -> str:
    """Sha256 over our own code and the versions of the libraries that decide a result."""
    digest = hashlib.sha256()
    for package in PACKAGES:
        spec = find_spec(package)
        for folder in (spec.submodule_search_locations or []) if spec is not None else []:
            for path in sorted(Path(folder).rglob("*")):
                if path.suffix in CODE:
                    digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes())
    for library in LIBRARIES:
        try:
            digest.update(f"{library}=={metadata.version(library)}\n".encode())
        except metadata.PackageNotFoundError:
            continue
    return digest.hexdigest()


def _fact(path: Path, known: Fact | None) -> Fact:
    stat = path.stat()
    if known is not None and (known.size, known.mtime_ns) == (stat.st_size, stat.st_mtime_ns):
        return known
    return Fact(stat.st_size, stat.st_mtime_ns, sha256_of(path))
