"""The run directory: every path that a run writes, and which finished stages can be used again.

A stage writes into `.work/STAGE-FINGERPRINT`, which is renamed into place once it is complete; so a stage's folder
is whole or not there, and a killed stage goes on in its own work folder when the same inputs come again.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from teachers.errors import DecantError, InputError

STAGES = (
    "texts", "vectors", "mine", "teacher", "targets", "embed", "student", "graphs", "openvino", "checkpoints",
    "measure", "artifacts", "engines", "report",
)  # fmt: skip
PARTS = {"vectors": "embedding", "student": "students"}  # a stage → the folder of what it is chosen or made from
MARK = "stage.json"


class BusyError(InputError):
    """Another process is at work in the run's folder."""


@dataclass(frozen=True)
class Stage:
    """A finished stage: its folder, fingerprint, the seconds it took, and whether an earlier run had made it."""

    name: str
    folder: Path
    fingerprint: str
    seconds: float
    reused: bool


@dataclass(frozen=True)
class RunDir:
    """Paths under one run's folder."""

    root: Path

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

    def finished(self, stage: str, fingerprint: str) -> Stage | None:
        """The finished stage, if it was made from just these inputs."""
        mark = self.folder(stage) / MARK
        try:
            stated = json.loads(mark.read_text(encoding="utf-8"))
            made_from, seconds = stated["fingerprint"], float(stated["seconds"])
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return Stage(stage, self.folder(stage), fingerprint, seconds, True) if made_from == fingerprint else None

    def make(self, stage: str, fingerprint: str, write: Callable[[Path], None]) -> Stage:
        """The stage's finished folder: the one that is there, or a new one by `write(folder)`."""
        done = self.finished(stage, fingerprint)
        if done is not None:
            self.note(stage=stage, event="reused", fingerprint=fingerprint)
            return done
        work = self.work(stage, fingerprint)
        work.mkdir(parents=True, exist_ok=True)
        self.note(stage=stage, event="begun", fingerprint=fingerprint)
        started = time.monotonic()
        try:
            write(work)
        except DecantError:  # the same inputs would fail again, so there is nothing to go on with
            shutil.rmtree(work, ignore_errors=True)
            raise
        seconds = time.monotonic() - started
        mark = {"stage": stage, "fingerprint": fingerprint, "seconds": round(seconds, 3)}
        (work / MARK).write_text(json.dumps(mark) + "\n", encoding="utf-8")
        self._replace(work, self.folder(stage))
        self.note(stage=stage, event="done", fingerprint=fingerprint, seconds=round(seconds, 3))
        return Stage(stage, self.folder(stage), fingerprint, seconds, False)

    def forget(self, first: str) -> None:
        """Drop this stage and all after it, so that they are made again."""
        for stage in STAGES[STAGES.index(first) :]:
            for name in (stage, PARTS.get(stage, stage)):
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
            raise InputError(f"{self.root} cannot be written ({error.strerror}); give --out another folder") from error
        try:
            yield
        finally:
            lock.release()

    def _replace(self, work: Path, folder: Path) -> None:
        folder.parent.mkdir(parents=True, exist_ok=True)
        old = work.with_name(work.name + ".old")
        shutil.rmtree(old, ignore_errors=True)
        if folder.exists():
            os.replace(folder, old)
        os.replace(work, folder)
        shutil.rmtree(old, ignore_errors=True)


def fingerprint(stage: str, version: int, inputs: Mapping[str, object]) -> str:
    """Sha256 that names what a stage is made from.

    Args:
        version: of the stage's code; raised where the same inputs give another result.
        inputs: JSON values, such as settings, digests of files and fingerprints of earlier stages.
    """
    content = json.dumps({"stage": stage, "version": version, **inputs}, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(content.encode()).hexdigest()
