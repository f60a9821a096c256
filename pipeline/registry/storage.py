"""Where a registry's files are: a folder, or any place that fsspec has a name for, such as s3://bucket/models."""

from __future__ import annotations

import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

from filelock import FileLock, Timeout

from decant.errors import DecantError, InputError, TemporaryError, one_line
from decant.files import expand_user, written_whole
from decant.temporary import raised_for

WHOLE_PUTS = {"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "adl", "oss", "memory"}  # an object is there or is not
INCOMING = ".incoming-"
WRITABLE = ".writable"  # an empty file that says nothing but that it could be written
Check = Callable[[Path], object]


class LockedOutError(InputError):
    """The credentials do not let in, which says nothing of what is there."""


class Storage(Protocol):
    """Files by their paths under the registry's root; `put` changes one at once where it can."""

    def read(self, path: str) -> bytes | None: ...

    def put(self, path: str, content: bytes) -> None: ...

    def names(self, folder: str) -> list[str]: ...

    def add_folder(self, source: Path, folder: str, last: str, check: Check) -> None: ...

    def fetch(self, folder: str, files: Sequence[str], target: Path) -> Path: ...

    def locked(self) -> Any: ...


def storage_of(location: str) -> Storage:
    """The storage of a folder, or of a URL.

    Raises:
        InputError: fsspec, or the package that it reaches such URLs by, is not installed, or the URL is none.
        TemporaryError: it connects at once, and cannot.
    """
    if "://" not in location:
        return FolderStorage(expand_user(location))
    protocol, _, rest = location.partition("://")
    if protocol in ("file", "local"):
        return FolderStorage(Path(rest))
    try:
        import fsspec

        filesystem, root = fsspec.core.url_to_fs(location, use_listings_cache=False)
    except ImportError as error:
        said = "pip install 'decant[s3]'" if protocol == "s3" else "install the package that fsspec names for it"
        raise InputError(
            f"{location}: {protocol}:// needs a package that is not installed ({error}); {said}"
        ) from error
    except ValueError as error:
        raise InputError(f"{location}: {error}; give a folder, or a URL that fsspec knows") from error
    except OSError as error:  # of those that connect at once
        raise _unreached(location, error) from error
    return RemoteStorage(filesystem, root.rstrip("/"), protocol in WHOLE_PUTS)


@dataclass(frozen=True)
class FolderStorage:
    """A folder on a file system whose renames are atomic."""

    root: Path

    def read(self, path: str) -> bytes | None:
        """A file's content; None where there is no such file."""
        try:
            return (self.root / path).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def put(self, path: str, content: bytes) -> None:
        """Let a file hold this from one moment to the next, on disk before it counts."""
        with written_whole(self.root / path, on_disk=True) as written:
            written.write_bytes(content)

    def names(self, folder: str) -> list[str]:
        """Names in a folder, sorted, without what is still being written."""
        place = self.root / folder
        found = (path.name for path in place.iterdir()) if place.is_dir() else ()
        return sorted(name for name in found if not name.startswith("."))

    def add_folder(self, source: Path, folder: str, last: str, check: Check) -> None:
        """Copy a folder under a temporary name, check the copy, and rename it.

        Raises:
            InputError: there is such a folder already, or the check says so.
        """
        target = self.root / folder
        if target.exists():
            raise InputError(f"{target} is there already; a version is never written twice")
        for left in target.parent.glob(".*"):  # of a promotion that was killed: the lock is ours
            shutil.rmtree(left, ignore_errors=True)
        with written_whole(target, on_disk=True) as written:
            shutil.copytree(source, written)
            check(written)

    def fetch(self, folder: str, files: Sequence[str], target: Path) -> Path:
        """The folder itself: it is here."""
        return self.root / folder

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other promotions out; the lock dies with its holder.

        Raises:
            TemporaryError: another process promotes.
            InputError: the folder cannot be written.
        """
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.root / ".lock", timeout=0)
            lock.acquire()
        except Timeout as error:
            said = f"{self.root}: another promotion is at work here; try again when it is done"
            raise TemporaryError(said) from error
        except OSError as error:
            said = f"{self.root} cannot be written ({error.strerror}); name another registry"
            raise raised_for(error)(said) from error
        try:
            yield
        finally:
            lock.release()


@dataclass(frozen=True)
class RemoteStorage:
    """A place that fsspec reaches. Where a put is not atomic, a file is written beside its place and moved there."""

    filesystem: Any
    root: str
    whole_puts: bool

    def read(self, path: str) -> bytes | None:
        """A file's content; None where there is no such file."""
        with self._reached():
            try:
                content: bytes = self.filesystem.cat_file(f"{self.root}/{path}")
            except FileNotFoundError:
                return None
            return content

    def put(self, path: str, content: bytes) -> None:
        """Let a file hold this, from one moment to the next where puts are whole or a move replaces, as over sftp.

        Elsewhere it may be half written for a moment, or a move onto a file may do nothing: read it back.

        Raises:
            InputError: there is no such bucket.
        """
        target = f"{self.root}/{path}"
        parent, _, name = target.rpartition("/")
        beside = target if self.whole_puts else f"{parent}/{INCOMING}{uuid.uuid4().hex}-{name}"
        with self._reached():
            try:
                self._have_folder(target)
                self.filesystem.pipe_file(beside, content)
                if beside != target:
                    self.filesystem.mv(beside, target)
            except FileNotFoundError as error:
                raise InputError(
                    f"{self.root} cannot be written ({one_line(error)}); make the bucket, or name another registry"
                ) from error

    def names(self, folder: str) -> list[str]:
        """Names in a folder, sorted, without what is still being written."""
        with self._reached():
            self.filesystem.invalidate_cache()
            try:
                found = self.filesystem.ls(f"{self.root}/{folder}", detail=False)
            except FileNotFoundError:
                return []
        names = {PurePosixPath(str(path)).name for path in found}
        return sorted(name for name in names if not name.startswith("."))

    def add_folder(self, source: Path, folder: str, last: str, check: Check) -> None:
        """Copy a folder here, check the copy and upload that, the file `last` after all others.

        A folder without `last` is no version yet. The copy is nobody else's, so what is uploaded is what was checked.

        Raises:
            InputError: there is such a folder already, or the check says so.
        """
        if self.read(f"{folder}/{last}") is not None:
            raise InputError(f"{self.root}/{folder} is there already; a version is never written twice")
        with tempfile.TemporaryDirectory() as scratch:
            copy = Path(shutil.copytree(source, Path(scratch) / "copy"))
            check(copy)
            paths = sorted(path.relative_to(copy).as_posix() for path in copy.rglob("*") if path.is_file())
            for path in sorted(paths, key=lambda path: path == last):
                target = f"{self.root}/{folder}/{path}"
                with self._reached():
                    self._have_folder(target)
                    self.filesystem.put_file(str(copy / path), target)

    def fetch(self, folder: str, files: Sequence[str], target: Path) -> Path:
        """Download the named files of a folder.

        Raises:
            InputError: a name leads out of the folder, or there is no such file.
        """
        for path in files:
            inside = PurePosixPath(path)
            if inside.is_absolute() or ".." in inside.parts or "\\" in path:
                raise InputError(f"{self.root}/{folder}: {path!r} leads out of the folder; it is not fetched")
            (target / inside).parent.mkdir(parents=True, exist_ok=True)
            source = f"{self.root}/{folder}/{path}"
            with self._reached():
                try:
                    self.filesystem.get_file(source, str(target / inside))
                except FileNotFoundError as error:
                    raise InputError(f"{source} is missing: the version is incomplete; promote it again") from error
        return target

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Find out whether it can be written. Object stores have no lock: the pointer is read again before a change.

        Raises:
            InputError: there is no such bucket, or it cannot be written.
        """
        self.put(WRITABLE, b"")
        yield

    @contextmanager
    def _reached(self) -> Iterator[None]:
        """Have what goes wrong on the way there, which each library says otherwise, as an error worth another try."""
        try:
            yield
        except (DecantError, FileNotFoundError):
            raise
        except PermissionError as error:
            raise LockedOutError(
                f"{self.root}: you are not let in ({one_line(error)}); its credentials must read, list and write"
            ) from error
        except Exception as error:
            raise _unreached(self.root, error) from error

    def _have_folder(self, path: str) -> None:
        """The folder of a file, where there are folders: object stores have none, and would make a bucket."""
        if not self.whole_puts:
            self.filesystem.makedirs(path.rpartition("/")[0], exist_ok=True)


def _unreached(place: str, error: Exception) -> TemporaryError:
    said = str(error).partition("\n")[0] or type(error).__name__
    return TemporaryError(f"{place} cannot be reached ({said}); is the address right, and are you let in?")
