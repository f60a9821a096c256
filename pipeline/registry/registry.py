"""The registry: versions that are written once, and a pointer to the one that is deployed.

    current                        the pointer, changed at once
    versions/000001-3fa9…/         an artifact folder
    releases/000001-3fa9….json     what it was let in on
    history/….json                 an event each: promoted, refused, rolled back

A reader takes the version that `current` names: it was complete before the pointer named it, and is never changed.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from decant.errors import InputError, TemporaryError
from decant.files import sha256_of
from export.artifact.manifest import MANIFEST, Manifest, read_manifest, verify_artifact
from pipeline.registry.records import VERSION, Event, Gate, Pointer, Release, Today, now
from pipeline.registry.storage import Storage, storage_of

CURRENT, VERSIONS, RELEASES, HISTORY = "current", "versions", "releases", "history"
Record = TypeVar("Record", bound=BaseModel)
Sign = Callable[[bytes], str]
Vouch = Callable[[Release, bytes], None]  # a release and its manifest's bytes; raises where nothing vouches for them


@dataclass(frozen=True)
class Registry:
    """A registry at one location."""

    location: str
    storage: Storage

    @classmethod
    def at(cls, location: str | Path) -> Registry:
        """The registry in a folder or at a URL, whether anything is there yet or not."""
        return cls(str(location), storage_of(str(location)))

    def current(self) -> Pointer | None:
        """What is deployed; None before the first promotion.

        Raises:
            InputError: the pointer cannot be read.
        """
        content = self.storage.read(CURRENT)
        return None if content is None else _parsed(Pointer, content, f"{self.location}/{CURRENT}")

    def releases(self) -> list[Release]:
        """Every version that was ever let in, the oldest first."""
        return self._all(Release, RELEASES)

    def release(self, version: str) -> Release:
        """One version's record.

        Raises:
            InputError: there is none.
        """
        path = f"{RELEASES}/{version}.json"
        content = self.storage.read(path) if VERSION.match(version) else None
        if content is None:
            known = ", ".join(name.removesuffix(".json") for name in self.storage.names(RELEASES)[-5:]) or "none yet"
            raise InputError(f"{self.location} has no release {version}; the last ones: {known}")
        return _parsed(Release, content, f"{self.location}/{path}")

    def history(self) -> list[Event]:
        """All events, the oldest first."""
        return self._all(Event, HISTORY)

    def note(self, event: Event) -> None:
        """Add an event."""
        stamp = "".join(char for char in event.time[:26] if char.isdigit())
        self.storage.put(f"{HISTORY}/{stamp}-{uuid.uuid4().hex[:8]}.json", _written(event))

    def fetch(self, version: str, scratch: Path, vouch: Vouch | None = None) -> Path:
        """A version's folder on this machine, held to the record that it was let in with.

        Args:
            scratch: an empty folder to download to; a registry in a folder needs no download.
            vouch: looks at the manifest before anything of it is believed.

        Raises:
            InputError: it is not there, incomplete, or not what was let in.
            Exception: what `vouch` raises.
        """
        release, folder = self.release(version), f"{VERSIONS}/{version}"
        content = self.storage.read(f"{folder}/{MANIFEST}")
        if content is None:
            raise InputError(f"{self.location}/{folder} is no version: {MANIFEST} is missing; promote it again")
        if vouch is not None:
            vouch(release, content)
        if hashlib.sha256(content).hexdigest() != release.manifest_sha256:
            raise InputError(f"{self.location}/{folder}/{MANIFEST} was changed since it was let in; promote it again")
        manifest = _parsed(Manifest, content, f"{self.location}/{folder}/{MANIFEST}")
        found = self.storage.fetch(folder, [MANIFEST, *manifest.sha256], scratch)
        verify_artifact(found)
        if sha256_of(found / MANIFEST) != release.manifest_sha256:  # it was read a second time
            raise InputError(f"{self.location}/{folder}/{MANIFEST} was changed while it was read; promote it again")
        return found

    def add(
        self,
        artifact: Path,
        gates: Sequence[Gate] = (),
        today: Today | None = None,
        sign: Sign | None = None,
        expected: str | None = None,
    ) -> Release:
        """Write an artifact as the next version, then let the pointer name it. The gates are the caller's.

        Args:
            artifact: its folder.
            gates: what it passed, for the record.
            today: what it was measured at, for the record.
            sign: makes a signature of bytes.
            expected: sha256 of the decant.json that passed the gates; None: whatever is there now.

        Raises:
            InputError: the artifact is not as exported, or no longer what passed, or another promotion came between.
        """
        manifest, before = verify_artifact(artifact), self.current()
        digest, stated = content_digest(manifest), (artifact / MANIFEST).read_bytes()
        release = Release(
            version=f"{self._next_number():06d}-{digest[:12]}", released=now(), name=manifest.name, digest=digest,
            manifest_sha256=hashlib.sha256(stated).hexdigest(), recipe_sha256=manifest.recipe_sha256,
            gates=tuple(gates), today=today, signature=sign(stated) if sign is not None else None,
        )  # fmt: skip

        def check(copy: Path) -> None:
            found = content_digest(verify_artifact(copy)), sha256_of(copy / MANIFEST)
            if found != (digest, release.manifest_sha256) or expected not in (None, release.manifest_sha256):
                raise InputError(f"{artifact} was changed while it was measured or copied; promote it again")

        self.storage.add_folder(artifact, f"{VERSIONS}/{release.version}", MANIFEST, check)
        self.storage.put(f"{RELEASES}/{release.version}.json", _written(release))
        below = (*before.before, before.version) if before is not None else ()
        self._point(Pointer(version=release.version, since=now(), before=below), before)
        return release

    def rollback(self, to: str | None = None, vouch: Vouch | None = None) -> tuple[Pointer, Pointer]:
        """Let the pointer name an earlier version again, after checking that version's files.

        Args:
            to: the version; default: the one that was deployed before.
            vouch: looks at that version's manifest first.

        Returns:
            The pointer that was, and the pointer that is.

        Raises:
            InputError: there is nothing to go back to, or the version is not whole.
            Exception: what `vouch` raises.
        """
        was = self.current()
        if was is None:
            raise InputError(f"{self.location}: nothing is deployed, so there is nothing to roll back")
        version = to or (was.before[-1] if was.before else None)
        if version is None:
            raise InputError(f"{self.location}: {was.version} is the first release; there is none before it")
        if version == was.version:
            raise InputError(f"{self.location}: {version} is deployed already")
        with tempfile.TemporaryDirectory() as scratch:
            self.fetch(version, Path(scratch), vouch)
        below = was.before[: was.before.index(version)] if version in was.before else (*was.before, was.version)
        become = Pointer(version=version, since=now(), before=below)
        self._point(become, was)
        return was, become

    def _point(self, pointer: Pointer, before: Pointer | None) -> None:
        between = f"{self.location}: another promotion came between; look at `decant releases`, try again"
        if self.current() != before:
            raise TemporaryError(between)
        self.storage.put(CURRENT, _written(pointer))
        found = self.current()  # some stores answer a rename onto a file by doing nothing
        if found == before:
            raise InputError(
                f"{self.location}/{CURRENT} was written and is what it was: this storage lets no file replace another; "
                "keep the registry in a folder, in an object store or over sftp"
            )
        if found != pointer:
            raise TemporaryError(between)

    def _next_number(self) -> int:
        taken = [*self.storage.names(VERSIONS), *self.storage.names(RELEASES)]
        return 1 + max((int(name[:6]) for name in taken if name[:6].isdigit()), default=0)

    def _all(self, record: type[Record], folder: str) -> list[Record]:
        found = []
        for name in self.storage.names(folder):
            content = self.storage.read(f"{folder}/{name}")
            if content is not None and name.endswith(".json"):
                found.append(_parsed(record, content, f"{self.location}/{folder}/{name}"))
        return found


def content_digest(manifest: Manifest) -> str:
    """Sha256 that two artifacts share where all their files are the same, whenever they were written."""
    return hashlib.sha256(json.dumps(manifest.sha256, sort_keys=True).encode()).hexdigest()


def same_model(first: Path, second: Path) -> bool:
    """Whether two artifact folders hold the same files."""
    return content_digest(read_manifest(first)) == content_digest(read_manifest(second))


def _written(record: BaseModel) -> bytes:
    return (record.model_dump_json(indent=2) + "\n").encode("utf-8")


def _parsed(record: type[Record], content: bytes, where: str) -> Record:
    try:
        return record.model_validate_json(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the file"
        raise InputError(f"{where}: {place}: {first['msg']}; restore it, or begin a new registry") from error
