"""The processes of one training beside the one that asked for it, which is rank 0.

Rank 0 shows the progress, judges epochs, writes all files and takes Ctrl-C, as a training in one process does. The
others are children that get the same work on their standard input, say on their standard output how they fared, and
end as soon as rank 0 does, however that ends: their standard input is closed then.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import IO, Any, NoReturn

import cloudpickle
import torch
from torch import distributed as dist
from torch.distributed import TCPStore  # type: ignore[attr-defined]

from decant.errors import DecantError, InputError, RankError
from decant.models.quantized import quiet_bitsandbytes
from decant.training.devices import TrainerSettings, check_devices
from decant.training.handed_arrays import dump

HOST = "127.0.0.1"
COLLECTIVE = timedelta(hours=2)  # the others wait for rank 0 as long as it judges an epoch; a death is seen at once
GRACE_SECONDS = 60.0  # from a child's death until rank 0, which it may have left waiting on a GPU, is ended too
END_SECONDS = 10.0
FAULT_SECONDS = 3.0  # from an error in rank 0 until the child is gone whose end was its cause
CHILD = "from decant.training.launcher import serve; serve()"
READY, DONE = "ready", "done"
SCRATCH = ".handed."


@dataclass(frozen=True)
class _Child:
    rank: int
    process: subprocess.Popen[bytes]
    errors: IO[bytes]
    said: list[dict[str, Any]]

    def hear(self) -> bool:
        """Wait for one more line of it; False at its end."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if line:
            self.said.append(json.loads(line))
        return bool(line)


@contextmanager
def launch(work: Callable[[], object], settings: TrainerSettings, folder: Path | None = None) -> Iterator[None]:
    """A process group, in which the other ranks do `work` while the body of the `with` does it as rank 0.

    Without several devices there is no group, and the body runs as it is.

    Args:
        work: goes to the other processes by cloudpickle, and its big arrays as files that they map.
        folder: for those files, which are gone when the body begins; default: the system's for temporary files.

    Raises:
        InputError: more devices than are there, or what another rank raised.
        RankError: another rank ended too early.
    """
    if not settings.distributed:
        yield
        return
    check_devices(settings)
    store = TCPStore(HOST, 0, settings.devices, True, wait_for_workers=False)
    threads = max(1, torch.get_num_threads() // settings.devices)
    children: list[_Child] = []
    ended = threading.Event()
    try:
        with _scratch(folder) as scratch:
            job = dump(work, scratch) if settings.devices > 1 else b""
            how = {"settings": settings.model_dump(), "port": store.port, "threads": threads, "bytes": len(job)}
            children += [_start(number) for number in range(1, settings.devices)]
            with _faults_told(children):
                _hand_over(children, how, job)
        del job
        threading.Thread(target=_guard, args=(children, ended), daemon=True).start()
        with _group(store, 0, settings, threads), _faults_told(children):
            yield
    finally:
        ended.set()
        for child in children:
            _end(child)


def serve() -> NoReturn:
    """What a child does: the work that comes on its standard input."""
    source = sys.stdin.buffer
    tell = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what a library prints is not ours
    how = json.loads(source.readline())
    code, said = 0, {"event": DONE}
    try:
        settings = TrainerSettings(**how["settings"])
        quiet_bitsandbytes()
        work = cloudpickle.loads(source.read(how["bytes"]))
        threading.Thread(target=_end_with_parent, args=(source,), daemon=True).start()
        tell.write(json.dumps({"event": READY}) + "\n")
        store = TCPStore(HOST, how["port"], settings.devices, False)
        with _group(store, how["rank"], settings, how["threads"]):
            work()
    except DecantError as error:
        code, said = 1, {"event": type(error).__name__, "text": str(error)}
    except BaseException:
        code, said = 1, {"event": "defect", "text": traceback.format_exc()}
    tell.write(json.dumps(said) + "\n")
    tell.flush()
    os._exit(code)  # no library's clean-up may wait for the others


def drop_handed(folder: Path) -> None:
    """Remove what a killed training left of the arrays that it handed over."""
    for left in folder.glob(f"{SCRATCH}*"):
        shutil.rmtree(left)


@contextmanager
def _scratch(folder: Path | None) -> Iterator[Path]:
    if folder is not None:
        drop_handed(folder)
    with tempfile.TemporaryDirectory(dir=folder, prefix=SCRATCH, ignore_cleanup_errors=True) as scratch:
        yield Path(scratch)


def _start(number: int) -> _Child:
    errors = tempfile.TemporaryFile()
    path = os.pathsep.join(entry or str(Path.cwd()) for entry in sys.path)
    process = subprocess.Popen(
        [sys.executable, "-c", CHILD],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=errors,
        env=os.environ | {"PYTHONPATH": path, "TOKENIZERS_PARALLELISM": "false"},
        start_new_session=True,  # Ctrl-C on a terminal goes to rank 0 alone
    )
    return _Child(number, process, errors, [])


def _hand_over(children: list[_Child], how: dict[str, Any], job: bytes) -> None:
    try:
        for child in children:
            assert child.process.stdin is not None
            child.process.stdin.write(json.dumps(how | {"rank": child.rank}).encode() + b"\n")
            child.process.stdin.write(job)
            child.process.stdin.flush()
    except BrokenPipeError as error:
        raise RuntimeError("a process ended before it had its work") from error
    for child in children:
        if not child.hear() or child.said[-1]["event"] != READY:
            raise RuntimeError("a process ended before it was ready")


@contextmanager
def _group(store: TCPStore, number: int, settings: TrainerSettings, threads: int) -> Iterator[None]:
    before = torch.get_num_threads()
    device = torch.device("cuda", number) if settings.on_gpu else None
    if device is None:
        torch.set_num_threads(threads)
    else:
        torch.cuda.set_device(device)
    backend = "gloo" if device is None else "nccl"
    dist.init_process_group(
        backend, store=store, rank=number, world_size=settings.devices, timeout=COLLECTIVE, device_id=device
    )
    try:
        yield
    finally:
        dist.destroy_process_group()
        torch.set_num_threads(before)


@contextmanager
def _faults_told(children: list[_Child]) -> Iterator[None]:
    """Raise what a child ended by in place of what rank 0 stumbled over; end the children, whatever it was."""
    try:
        yield
    except BaseException as error:
        own = isinstance(error, DecantError) or not isinstance(error, Exception)
        fault = None if own else _fault(children)
        for child in children:  # before the group is left, which may wait for them
            _end(child)
        if fault is None:
            raise
        raise fault from error


def _guard(children: list[_Child], ended: threading.Event) -> None:
    """End rank 0 where a child has died and rank 0 does not notice."""
    while not ended.wait(0.5):
        if any(child.process.poll() for child in children):
            if not ended.wait(GRACE_SECONDS):
                sys.stderr.write(f"decant: {_fault(children)}\n")
                sys.stderr.flush()
                os._exit(1)
            return


def _fault(children: list[_Child]) -> Exception | None:
    """Why a child ended early: a kill before an error, since it is what the others stumble over."""
    for child in children:
        try:
            child.process.wait(FAULT_SECONDS)
        except subprocess.TimeoutExpired:
            continue
        while child.hear():
            pass
    dead = [child for child in children if child.process.returncode]
    dead.sort(key=lambda child: (child.process.returncode > 0, not _raised(child)))
    return _said(dead[0], len(children) + 1) if dead else None


def _raised(child: _Child) -> bool:
    return bool(child.said) and child.said[-1]["event"] == InputError.__name__


def _said(child: _Child, world: int) -> Exception:
    code, last = child.process.returncode, child.said[-1] if child.said else {"event": READY}
    which = f"process {child.rank + 1} of {world} of the training"
    if code > 0 and _raised(child):
        return InputError(last["text"])
    if code > 0 and last["event"] == "defect":
        return RuntimeError(f"{which} failed:\n{last['text']}")
    if code < 0:
        cause = f"was killed by {signal.Signals(-code).name}"
        cause += ", as a system out of memory does" if -code == signal.SIGKILL else ""
        return RankError(
            f"{which} {cause}; the same command goes on from the last checkpoint, with any trainer.devices"
        )
    child.errors.seek(0)
    lines = child.errors.read().decode("utf-8", "replace").strip().splitlines()
    return RankError(f"{which} ended with code {code}{f' ({lines[-1][:200]})' if lines else ''}; run it again")


def _end(child: _Child) -> None:
    """Let a child that is done leave, and end one that is not."""
    assert child.process.stdin is not None
    assert child.process.stdout is not None
    try:
        child.process.stdin.close()
    except BrokenPipeError:
        pass
    try:
        child.process.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        child.process.kill()
        child.process.wait()
    child.process.stdout.close()
    child.errors.close()


def _end_with_parent(source: IO[bytes]) -> None:
    source.read(1)
    os._exit(1)
