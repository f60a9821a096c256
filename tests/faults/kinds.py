"""The kinds of fault. Each tries some moments and says of every one what was lost; nothing where nothing was."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.marks import read_mark
from tests.faults.forked import largest_file
from tests.faults.place import Place

INTERRUPTED, BAD_INPUT, TEMPORARY = 130, 2, 75
STUDENT_STEPS = 4  # 60 pairs in batches of 16
SAID_INTERRUPTED = ["decant: interrupted; the same command goes on from here"]
SAID_TAKEN = "another run is at work in this folder; wait for it, or give --out"


@dataclass(frozen=True)
class Tried:
    """One fault: of which kind, when or where, and what was lost by it."""

    kind: str
    when: str
    lost: str


Kind = Callable[[Place, int, np.random.Generator], Iterator[Tried]]


def killed(place: Place, count: int, generator: np.random.Generator) -> Iterator[Tried]:
    """Kill -9."""
    return _signalled("kill -9", signal.SIGKILL, place, count, generator)


def terminated(place: Place, count: int, generator: np.random.Generator) -> Iterator[Tried]:
    """SIGTERM: one line, and exit code 130."""
    return _signalled("SIGTERM", signal.SIGTERM, place, count, generator)


def interrupted(place: Place, count: int, generator: np.random.Generator) -> Iterator[Tried]:
    """Ctrl-C: the same."""
    return _signalled("SIGINT", signal.SIGINT, place, count, generator)


def _signalled(
    kind: str, number: signal.Signals, place: Place, count: int, generator: np.random.Generator
) -> Iterator[Tried]:
    for moment in place.moments(count, generator):
        with _fresh(place) as run:
            child = place.begin(run)
            place.reach(child, run, moment)
            child.send(number)
            code, lost = child.wait(), ""
            if number == signal.SIGKILL:
                lost = "" if code in (-number, 0) else f"ended with {code}"
            elif (code, _ours(child.lines())) not in ((INTERRUPTED, SAID_INTERRUPTED), (0, [])):
                lost = f"ended with {code}: {' / '.join(child.lines()[-3:])}"
            yield Tried(kind, str(moment), lost or place.goes_on(run))


def run_twice(place: Place, count: int, generator: np.random.Generator) -> Iterator[Tried]:
    """A second run in a folder where one is at work: refused in one line, and the first is none the worse."""
    for moment in place.moments(count, generator):
        with _fresh(place) as run:
            first = place.begin(run)
            place.reach(first, run, moment)
            first.send(signal.SIGSTOP)
            ended = first.poll() is not None
            before = (run / "log.jsonl").read_bytes()
            second = place.begin(run)
            code, said = second.wait(), second.lines()
            wanted = 0 if ended else TEMPORARY
            refused = code == wanted and (ended or (len(said) == 1 and SAID_TAKEN in said[0]))
            lost = "" if refused else f"the second ended with {code}: {' / '.join(said[-3:])}"
            if not ended and (run / "log.jsonl").read_bytes() != before:
                lost = lost or "the second wrote into the folder"
            first.send(signal.SIGCONT)
            if first.wait() != 0:
                lost = lost or f"the first ended with {first.code}"
            yield Tried("two runs at once", str(moment), lost or place.differs(run))


def disk_filled(place: Place, count: int, generator: np.random.Generator) -> Iterator[Tried]:
    """A disk that is full after so many bytes: one line, exit code 75; once there is space, the run goes on."""
    size = sum(path.stat().st_size for path in place.undisturbed.rglob("*") if path.is_file())
    for free in generator.integers(4096, int(0.95 * size), count):
        with _small_disk(place.folder / "disk", 4 * size) as disk:
            if disk is None:
                return
            filler, run = disk / "filler", disk / "run"
            with filler.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, _left(disk) - int(free))
            child = place.begin(run)
            lost = _refused(child.wait(), child.lines(), errno.ENOSPC)
            filler.unlink()
            yield Tried("disk full", f"{int(free) // 1024} KiB", lost or place.goes_on(run))


def file_limited(place: Place, count: int, generator: np.random.Generator) -> Iterator[Tried]:
    """A limit on a file's size, which needs no right to mount: as for a full disk."""
    sizes = sorted(path.stat().st_size for path in place.undisturbed.rglob("*") if path.is_file())
    for limit in generator.integers(sizes[len(sizes) // 2], sizes[-1], count):
        with _fresh(place) as run:
            child = place.begin(run, largest_file(int(limit)))
            lost = _refused(child.wait(), child.lines(), errno.EFBIG)
            yield Tried("file limit", f"{int(limit) // 1024} KiB", lost or place.goes_on(run))


def damaged(place: Place, count: int, generator: np.random.Generator) -> Iterator[Tried]:
    """A flipped bit, or a removed file, in a finished run: named in one line, and mended."""
    files = sorted(path.relative_to(place.undisturbed) for path in place.undisturbed.rglob("*") if path.is_file())
    files = [path for path in files if path.name != ".lock"]
    folders = sorted({path.parts[0] for path in files})
    for number in range(count):
        inside = [path for path in files if path.parts[0] == folders[number % len(folders)]]
        file = inside[int(generator.integers(len(inside)))]
        removed = bool(generator.integers(2)) or not (place.undisturbed / file).stat().st_size
        run = place.copy(f"run{number}")
        if removed:
            (run / file).unlink()
        else:
            flip_bit(run / file, generator)
        child = place.begin(run)
        code, said = child.wait(), child.lines()
        lost = "" if code == 0 else f"ended with {code}: {' / '.join(said[-3:])}"
        named = [line for line in said if str(run / file) in line and "is made again" in line]
        if len(named) != int(_is_stated(place.undisturbed, file)):
            lost = lost or f"named in {len(named)} lines"
        yield Tried("file removed" if removed else "bit flipped", str(file), lost or place.differs(run))
        shutil.rmtree(run)


def not_a_number(place: Place, count: int, generator: np.random.Generator) -> Iterator[Tried]:
    """A loss that is not a number: one line, its batch in a file; or, where the recipe says so, a lower rate."""
    if "embed" in place.seconds:  # there the embedding teacher's tuning is trained by the same steps first
        return
    for step in generator.integers(1, STUDENT_STEPS + 1, count):
        with _fresh(place) as run:
            child = place.begin(run, _nan_at(int(step)))
            code, said = child.wait(), _ours(child.lines())
            kept = next(iter(run.glob("bad-batch-*.json")), None)
            one_line = len(said) == 1 and f"the loss is nan at step {step};" in said[0] and str(kept) in said[0]
            lost = "" if code == BAD_INPUT and one_line else f"ended with {code}: {' / '.join(said)}"
            lost = lost or place.goes_on(run)
            if not lost and list(run.glob("bad-batch-*.json")):
                lost = "the batch's file stays though the training is done"
        with _fresh(place) as run:
            child = place.begin(run, _nan_at(int(step)), "--set", "student.on_nan={retry: 1}")
            if child.wait() != 0:
                lost = lost or f"with on_nan it ended with {child.code}"
            yield Tried("loss not a number", f"step {step}", lost)


def _nan_at(step: int) -> Callable[[], None]:
    """A `before` that spoils this one loss of the student's training on pairs."""

    def plant() -> None:
        from students.distill.pairs_module import Distillation

        whole, made = Distillation.training_step, list[int]()

        def spoilt(self: Distillation, batch: Any, index: int) -> Any:
            loss = whole(self, batch, index)
            made.append(index)
            return loss * float("nan") if len(made) == step else loss

        Distillation.training_step = spoilt  # type: ignore[method-assign]

    return plant


def flip_bit(path: Path, generator: np.random.Generator) -> None:
    """One bit of one byte, as a disk does it: size and time of the last change stay."""
    stat, content = path.stat(), bytearray(path.read_bytes())
    content[int(generator.integers(len(content)))] ^= 1 << int(generator.integers(8))
    path.write_bytes(content)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def _is_stated(run: Path, file: Path) -> bool:
    """Whether a stage's mark has the file's checksum."""
    for folder in file.parents[:-1]:
        mark = read_mark(run, folder.as_posix())
        if mark is not None:
            return file.relative_to(folder).as_posix() in mark.files
    return False


def _ours(lines: list[str]) -> list[str]:
    """Of what was said, what is said at the end: the lines on stages and bars stand before it."""
    return [line for line in lines if line.startswith(("decant: ", "Traceback"))]


def _refused(code: int, said: list[str], number: int) -> str:
    """What is wrong with a run's end on a full disk; nothing where it is one line with the error's name."""
    last = _ours(said)
    wanted = {TEMPORARY} if number == errno.ENOSPC else {BAD_INPUT, TEMPORARY}  # numpy does not tell which it was
    if code in wanted and len(last) == 1 and os.strerror(number) in last[0]:
        return ""
    return f"ended with {code}: {' / '.join(said[-3:])}"


@contextmanager
def _fresh(place: Place) -> Iterator[Path]:
    run = place.folder / "run"
    shutil.rmtree(run, ignore_errors=True)
    yield run
    shutil.rmtree(run, ignore_errors=True)


def _left(disk: Path) -> int:
    return os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize


@contextmanager
def _small_disk(folder: Path, size: int) -> Iterator[Path | None]:
    """A mounted disk of so many bytes; None where this machine does not let mount."""
    folder.mkdir(exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
        yield None
        return
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


KINDS: dict[str, Kind] = {
    "kill": killed, "term": terminated, "int": interrupted, "twice": run_twice, "disk": disk_filled,
    "limit": file_limited, "damage": damaged, "nan": not_a_number,
}  # fmt: skip
