"""The run directory: every path that a run writes, and which finished stages can be used again.

A stage writes into `.work/STAGE-FINGERPRINT`, which is renamed into place once it is complete; so a stage's folder
is whole or not there, and a killed stage goes on in its own work folder when the same inputs come again. The mark of a
finished stage holds checksums of its files: what was changed or removed since is made again. It holds what the stage
was made from, too, so that a stage that is made again can say why.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from filelock import FileLock, Timeout

from decant.errors import DecantError, TemporaryError
from decant.files import put_in_place, write_json
from decant.temporary import raised_for
from decant.training.on_nan import LossError
from pipeline.checksums import checksums_of, damaged
from pipeline.fingerprint import digest
from pipeline.marks import (
    ADOPTED,
    MARK,
    Mark,
    forget_marks,
    is_model,
    move_out,
    read_mark,
    write_mark,
)
from pipeline.why_made import ASKED, DAMAGED, FIRST, Explain, Inputs, why_made


class BusyError(TemporaryError):
    """Another process is at work in the run's folder."""


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


class NotMade(Exception):
    """A stage is to be made, in a run that is only looked at.

    Args:
        stage: as it will be, where it comes out as its inputs let expect.
        why: it is made, in one short line.
    """

    def __init__(self, stage: Finished, why: str) -> None:
        super().__init__(f"{stage.name}: {why}")
        self.stage, self.why = stage, why


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
    again: frozenset[str] = frozenset()
    """Folders that were forgotten, since they are to be made again."""

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
        mark = self.mark(stage)
        if mark is None or not self._is_of(mark, fingerprint) or damaged(self.folder(stage), mark.files):
            return None
        return self._stage(mark, reused=True)

    def mark(self, stage: str) -> Mark | None:
        """What a stage whose folder is there says of itself; None where it says nothing that can be read."""
        return read_mark(self.root, stage)

    def make(
        self, stage: str, fingerprint: str, write: Callable[[Path], None], inputs: Inputs | None = None,
        explain: Explain = lambda before, inputs, known: "",
    ) -> Finished:  # fmt: skip
        """The stage's finished folder: the one that is there, or a new one by `write(folder)`.

        Of a folder that is made again, files that are damaged are gone before `write` could take them over.

        Args:
            inputs: JSON values of what the fingerprint names, which the mark keeps.
            explain: what of them differs from those of an earlier mark.

        Raises:
            NotMade: it would have to be made, and the folder is only looked at.
        """
        mark = self.mark(stage)
        if self.look_only:
            return self._found(stage, mark, fingerprint, inputs or {}, explain)
        whole = mark is None or not self._drop_damaged(mark)
        why = self._why(stage, mark, fingerprint, inputs or {}, explain)
        same = mark is not None and self._is_of(mark, fingerprint)
        before = self._adopted(mark, fingerprint, inputs or {}) if mark is not None and same else None
        if before is not None and whole:
            if not is_model(self.folder(stage)):
                move_out(self.root, stage)
            self.note(stage=stage, event="reused", fingerprint=fingerprint)
            return self._stage(before, reused=True)
        if why not in (FIRST, ASKED, DAMAGED):  # the damage was told with the file's name
            self.say(f"{stage} is made again: {why}")
        self.note(stage=stage, event="begun", fingerprint=fingerprint, why=why)
        work, seconds = self._write(stage, fingerprint, write)
        files = checksums_of(work, MARK)
        mark = Mark(stage, fingerprint, seconds, fingerprint, files, dict(inputs) if inputs is not None else None)
        if before is not None:
            same_files = files == before.files
            mark = replace(mark, known_as=before.known_as if same_files else digest([fingerprint, files]))
        write_mark(work / MARK, mark)
        self._replace(work, self.folder(stage))
        move_out(self.root, stage)
        self._bad_batch(stage).unlink(missing_ok=True)
        self.note(stage=stage, event="done", fingerprint=fingerprint, seconds=seconds)
        return self._stage(mark, reused=False)

    def forget(self, stages: Iterable[str], keep: Collection[str] = ()) -> None:
        """Drop the folders of these stages, so that they are made again.

        Args:
            keep: stages whose folders stay until new ones take their place, without their marks.
        """
        for name in stages:
            forget_marks(self.root, name)
            folders = [] if name in keep else [self.folder(name)]
            for folder in (*folders, *self.root.glob(f".work/{name}-*")):
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

    def _write(self, stage: str, fingerprint: str, write: Callable[[Path], None]) -> tuple[Path, float]:
        """The complete work folder of a stage, and the seconds that it took."""
        work = self.work(stage, fingerprint)
        work.mkdir(parents=True, exist_ok=True)
        started = time.monotonic()
        try:
            write(work)
        except DecantError as error:
            if not error.keeps_work:  # the same inputs would fail again, so there is nothing to go on with
                shutil.rmtree(work, ignore_errors=True)
            if isinstance(error, LossError):
                raise error.kept_in(self._bad_batch(stage)) from error
            raise
        return work, round(time.monotonic() - started, 3)

    def _found(self, stage: str, mark: Mark | None, fingerprint: str, inputs: Inputs, explain: Explain) -> Finished:
        """The finished stage of a folder that is only looked at.

        Raises:
            NotMade: there is none.
        """
        found = self.finished(stage, fingerprint)
        if found is not None:
            return found
        same = mark is not None and self._is_of(mark, fingerprint)
        known_as = mark.known_as if mark is not None and same else fingerprint
        to_be = Finished(stage, self.folder(stage), known_as, 0.0, reused=False)
        raise NotMade(to_be, self._why(stage, mark, fingerprint, inputs, explain))

    def _adopted(self, mark: Mark, fingerprint: str, inputs: Inputs) -> Mark:
        """The mark of a stage that is what is asked for; of an earlier version's, what it is taken for is written."""
        if mark.fingerprint == fingerprint:
            return mark
        adopted = {"fingerprint": fingerprint, "known_as": fingerprint, "inputs": inputs}
        write_json(self.folder(mark.stage) / ADOPTED, adopted, indent=None, ascii_only=True)
        return replace(mark, fingerprint=fingerprint, known_as=fingerprint)

    def _why(self, stage: str, before: Mark | None, fingerprint: str, inputs: Inputs, explain: Explain) -> str:
        """Why a stage is made, in one short line; nothing that holds of a stage that is whole and of these inputs."""
        if before is not None and self._is_of(before, fingerprint):
            return DAMAGED
        if before is None and stage.partition("/")[0] in self.again:
            return ASKED
        return why_made(self.root, stage, before, inputs, explain)

    def _is_of(self, mark: Mark, fingerprint: str) -> bool:
        """Whether a mark's stage was made from these inputs."""
        return mark.fingerprint == fingerprint or (self.adopt and mark.inputs is None)

    def _stage(self, mark: Mark, *, reused: bool) -> Finished:
        return Finished(mark.stage, self.folder(mark.stage), mark.known_as, mark.seconds, reused)

    def _drop_damaged(self, mark: Mark) -> bool:
        """Say what of a finished stage is not as it was written, and remove it; whether there was anything."""
        stage = mark.stage
        found = damaged(self.folder(stage), mark.files)
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
