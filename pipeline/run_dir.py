"""The run directory: every path that a run writes, and which finished stages can be used again.

A stage writes into `.work/STAGE-FINGERPRINT`, which is renamed into place once it is complete; so a stage's folder
is whole or not there, and a killed stage goes on in its own work folder when the same inputs come again. The mark of a
finished stage holds checksums of its files: what was changed or removed since is made again.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from decant.errors import DecantError, TemporaryError
from decant.files import put_in_place, write_json
from decant.temporary import raised_for
from decant.training.on_nan import LossError
from pipeline.checksums import checksum, checksums_of, damaged
from pipeline.fingerprint import digest

MARK = "stage.json"
ADOPTED = "stage.adopted"  # beside the mark of an earlier version, which a model's digest holds


class BusyError(TemporaryError):
    """Another process is at work in the run's folder."""


class NotMade(Exception):
    """A stage is to be made, in a run that is only looked at."""


@dataclass(frozen=True)
class Finished:
    """A finished stage: its folder, the seconds it took, and whether an earlier run had made it.

    The fingerprint names it for those that are made from it: it is that of its inputs, unless the stage was damaged and
    came out different when it was made again.
    """

    name: str
    folder: Path
    fingerprint: str
    seconds: float
    reused: bool


@dataclass(frozen=True)
class RunDir:
    """Paths under one run's folder."""

    root: Path
    say: Callable[[str], None] = lambda text: None
    """Shows a line to whoever watches."""
    look_only: bool = False
    """Make nothing: what is not finished is `NotMade`."""
    adopt: bool = False
    """Take stages whose marks do not say what they were made from, as earlier versions left them, for what is asked."""

    @property
    def recipe(self) -> Path:
        """The resolved recipe."""
        return self.root / "recipe.yaml"

    @property
    def inputs(self) -> Path:
        """Size, time and sha256 of every file outside that the run read."""
        return self.root / "inputs.json"

    @property
    def log(self) -> Path:
        """One JSON object a line: stages begun, done, reused."""
        return self.root / "log.jsonl"

    def folder(self, stage: str) -> Path:
        """Where a finished stage stands."""
        return self.root / stage

    def work(self, stage: str, fingerprint: str) -> Path:
        """Where a stage is being made."""
        return self.root / ".work" / f"{stage.replace('/', '-')}-{fingerprint[:12]}"

    def finished(self, stage: str, fingerprint: str) -> Finished | None:
        """The finished stage, if it was made from just these inputs and is as it was written."""
        mark = self._mark(stage)
        if mark is None or not self._is_of(mark, fingerprint) or damaged(self.folder(stage), mark["files"]):
            return None
        return self._stage(stage, mark, reused=True)

    def make(
        self, stage: str, fingerprint: str, write: Callable[[Path], None], inputs: Mapping[str, object] | None = None
    ) -> Finished:
        """The stage's finished folder: the one that is there, or a new one by `write(folder)`.

        Of a folder that is made again, files that are damaged are gone before `write` could take them over.

        Args:
            inputs: JSON values of what the fingerprint names, which the mark keeps.

        Raises:
            NotMade: it would have to be made, and the folder is only looked at.
        """
        if self.look_only:
            found = self.finished(stage, fingerprint)
            if found is None:
                raise NotMade(stage)
            return found
        before = self._mark(stage)
        whole = before is None or not self._drop_damaged(stage, before)
        if before is not None and not self._is_of(before, fingerprint):
            before = None
        if before is not None and before["fingerprint"] != fingerprint:
            adopted = {"fingerprint": fingerprint, "known_as": fingerprint, "inputs": inputs or {}}
            write_json(self.folder(stage) / ADOPTED, adopted, indent=None, ascii_only=True)
            before |= adopted
        if before is not None and whole:
            self.note(stage=stage, event="reused", fingerprint=fingerprint)
            return self._stage(stage, before, reused=True)
        work = self.work(stage, fingerprint)
        work.mkdir(parents=True, exist_ok=True)
        self.note(stage=stage, event="begun", fingerprint=fingerprint)
        started = time.monotonic()
        try:
            write(work)
        except DecantError as error:
            if not error.keeps_work:  # the same inputs would fail again, so there is nothing to go on with
                shutil.rmtree(work, ignore_errors=True)
            if isinstance(error, LossError):
                raise error.kept_in(self._bad_batch(stage)) from error
            raise
        seconds = round(time.monotonic() - started, 3)
        files = checksums_of(work, MARK)
        mark = {"stage": stage, "fingerprint": fingerprint, "seconds": seconds, "known_as": fingerprint, "files": files}
        mark |= {"inputs": inputs} if inputs is not None else {}
        if before is not None:
            same = files == before["files"]
            mark["known_as"] = before["known_as"] if same else digest([fingerprint, files])
        write_json(work / MARK, mark, indent=None, ascii_only=True)
        self._replace(work, self.folder(stage))
        self._bad_batch(stage).unlink(missing_ok=True)
        self.note(stage=stage, event="done", fingerprint=fingerprint, seconds=seconds)
        return self._stage(stage, mark, reused=False)

    def forget(self, stages: Iterable[str]) -> None:
        """Drop the folders of these stages, so that they are made again."""
        for name in stages:
            for folder in (self.folder(name), *self.root.glob(f".work/{name}-*")):
                shutil.rmtree(folder, ignore_errors=True)

    def note(self, **facts: object) -> None:
        """Add one line to the log."""
        line = json.dumps({"time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), **facts}, ensure_ascii=False)
        with self.log.open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    def clear_work(self) -> None:
        """Remove what unfinished stages of other inputs left behind."""
        shutil.rmtree(self.root / ".work", ignore_errors=True)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder for this process; the lock dies with its holder.

        Raises:
            BusyError: another process works in it.
            InputError: it cannot be written.
        """
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.root / ".lock", timeout=0)
            lock.acquire()
        except Timeout as error:
            raise BusyError(
                f"{self.root}: another run is at work in this folder; wait for it, or give --out"
            ) from error
        except OSError as error:
            said = f"{self.root} cannot be written ({error.strerror}); give --out another folder"
            raise raised_for(error)(said) from error
        try:
            self._mend_log()
            yield
        finally:
            lock.release()

    def _mend_log(self) -> None:
        """Drop a last line that a full disk cut short."""
        content = self.log.read_bytes() if self.log.is_file() else b""
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            os.truncate(self.log, whole)

    def _bad_batch(self, stage: str) -> Path:
        """The batch that ended a stage's last training."""
        return self.root / f"bad-batch-{stage.replace('/', '-')}.json"

    def _mark(self, stage: str) -> dict[str, Any] | None:
        """What a finished stage says of itself; None where it says nothing that can be read.

        A stage of before there were checksums has none, and stands.
        """
        try:
            stated = json.loads((self.folder(stage) / MARK).read_text(encoding="utf-8"))
            adopted = self.folder(stage) / ADOPTED
            stated |= json.loads(adopted.read_text(encoding="utf-8")) if adopted.is_file() else {}
            made_from, seconds, files = stated["fingerprint"], float(stated["seconds"]), dict(stated.get("files", {}))
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return None
        return {
            "fingerprint": made_from, "seconds": seconds, "known_as": stated.get("known_as", made_from), "files": files,
            "inputs": stated.get("inputs"),
        }  # fmt: skip

    def _is_of(self, mark: Mapping[str, Any], fingerprint: str) -> bool:
        """Whether a mark's stage was made from these inputs."""
        return mark["fingerprint"] == fingerprint or (self.adopt and mark["inputs"] is None)

    def _stage(self, stage: str, mark: Mapping[str, Any], *, reused: bool) -> Finished:
        return Finished(stage, self.folder(stage), mark["known_as"], mark["seconds"], reused)

    def _drop_damaged(self, stage: str, mark: Mapping[str, Any]) -> bool:
        """Say what of a finished stage is not as it was written, and remove it; whether there was anything."""
        found = damaged(self.folder(stage), mark["files"])
        if not found:
            return False
        (first, what), more = next(iter(found.items())), len(found) - 1
        others = f", and {more} other {'file' if more == 1 else 'files'} of this stage" if more else ""
        self.say(f"{self.folder(stage) / first} {what} since it was written{others}: {stage} is made again")
        self.note(stage=stage, event="damaged", files=found)
        for name in found:
            (self.folder(stage) / name).unlink(missing_ok=True)
        return True

    def _replace(self, work: Path, folder: Path) -> None:
        folder.parent.mkdir(parents=True, exist_ok=True)
        old = work.with_name(work.name + ".old")
        shutil.rmtree(old, ignore_errors=True)
        put_in_place(work, folder, old)
        shutil.rmtree(old, ignore_errors=True)


def restamp(path: Path) -> None:
    """Take a file as it is now for what its stage wrote; nothing where it stands in no stage's folder."""
    for folder in path.parents:
        mark = folder / MARK
        if mark.is_file():
            stated = json.loads(mark.read_text(encoding="utf-8"))
            name = path.relative_to(folder).as_posix()
            if name in stated.get("files", {}):
                stated["files"][name] = checksum(path)
                write_json(mark, stated, indent=None, ascii_only=True)
            return
