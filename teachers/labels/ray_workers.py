"""Shards labelled by Ray actors: on this machine, or on those of a cluster.

An actor computes a whole shard by the very function that labels it without Ray, so that the labels are the same on
processors of the same kind. What passes between the processes goes in Ray's own way, which is pickle; nothing of
that is stored, and nothing pickled is read from a file.
"""

from __future__ import annotations

import logging
import os
import signal
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field, model_validator

from decant.errors import DecantError, InputError, TemporaryError, one_line
from decant.temporary import raised_for
from teachers.labels.label_parts import Item, Label, Labelled, LabelParts, Progress

RETRIES = 3  # of a worker that died, and of the shard that it was at
Files = dict[str, bytes]
# the teacher's folder, and a folder to work in → what labels; a function of a module, which every machine has
MakeLabel = Callable[[Path, Path], Label[Item]]


class LabelSettings(BaseModel, frozen=True, extra="forbid"):
    """Who computes the teachers' labels; it changes none of them."""

    engine: Literal["local", "ray"] = Field(
        "local", description="local: this process; ray: workers, each a shard at a time"
    )
    address: str | None = Field(
        None, description="ray: the cluster's address, such as auto or ray://head:10001; default: workers here"
    )
    workers: int = Field(2, ge=1, le=10_000, description="ray: shards computed at once")
    threads: int = Field(1, ge=1, le=1024, description="ray: threads of a worker, and cores that it reserves")
    gpus: float = Field(0, ge=0, le=64, description="ray: GPUs that a worker reserves")

    @model_validator(mode="after")
    def _of_ray(self) -> LabelSettings:
        fields = type(self).model_fields.items()
        asked = [name for name, field in fields if name != "engine" and getattr(self, name) != field.default]
        if self.engine == "local" and asked:
            raise ValueError(f"{asked[0]} goes with engine: ray")
        return self


class Labeller:
    """What an actor holds: the teacher, loaded once."""

    def __init__(self, make: MakeLabel[Any], model: str | Files, threads: int) -> None:
        import torch

        torch.set_num_threads(threads)
        self._scratch = tempfile.TemporaryDirectory(prefix="decant-")
        scratch = Path(self._scratch.name)
        folder = Path(model) if isinstance(model, str) else _unpacked(model, scratch / "teacher")
        self._label = make(folder, scratch)

    def label(self, number: int, part: Sequence[Any]) -> tuple[int, int, NDArray[np.float32]]:
        """A shard's number, its size and its labels."""
        return number, len(part), np.asarray(self._label(part, lambda done: None), np.float32)


def ray_workers(settings: LabelSettings, make: MakeLabel[Item], model: Path) -> LabelParts[Item]:
    """Labels by Ray actors: each has one shard at a time, and gets the next when it is done.

    No more shards are in flight than there are workers. A worker that dies is started again, and so is its shard, up
    to `RETRIES` times. Labels come in the order in which shards are done.

    Args:
        make: how a worker gets from the teacher to its labels.
        model: the teacher's folder; its files are sent to a cluster, whose machines need Decant but not the folder.
    """

    def by_workers(parts: Iterable[Sequence[Item]], progress: Progress) -> Labelled:
        ray = _ray()
        waiting = iter(enumerate(parts))
        first = next(waiting, None)
        if first is None:
            return
        with _connected(settings):
            given = str(model.resolve()) if settings.address is None else _packed(model)
            actor = ray.remote(Labeller).options(
                num_cpus=settings.threads, num_gpus=settings.gpus, max_restarts=RETRIES, max_task_retries=RETRIES
            )
            held = ray.put(given)
            actors = [actor.remote(make, held, settings.threads) for _ in range(settings.workers)]
            pool = import_module("ray.util").ActorPool(actors)
            try:
                pool.submit(_submit, first)
                for item in waiting:
                    if not pool.has_free():
                        yield _next(pool, progress)
                    pool.submit(_submit, item)
                while pool.has_next():
                    yield _next(pool, progress)
            finally:
                for one in actors:
                    ray.kill(one)

    return by_workers


def check_ray(settings: LabelSettings) -> None:
    """Hold that Ray is there where the settings want it.

    Raises:
        InputError: it is not.
    """
    if settings.engine == "ray":
        try:
            _ray()
        except ImportError as error:
            raise InputError(
                "labels.engine: ray is not installed; pip install decant[ray], or take engine: local"
            ) from error


def _ray() -> Any:
    return import_module("ray")  # an extra, so that nothing here may depend on its types


def _submit(actor: Any, item: tuple[int, Sequence[Any]]) -> Any:
    return actor.label.remote(*item)


def _next(pool: Any, progress: Progress) -> tuple[int, NDArray[np.float32]]:
    raised = _ray().exceptions
    try:
        number, size, labels = pool.get_next_unordered()
    except raised.RayTaskError as error:
        if isinstance(error.cause, DecantError):
            raise error.cause from None
        raise
    except raised.RayActorError as error:
        if "creation task" in str(error):  # it would fail again
            raise InputError(f"a Ray worker cannot load the teacher: {one_line(error)}") from error
        raise TemporaryError(
            f"a Ray worker died {1 + RETRIES} times ({one_line(error)}); the finished shards are kept: give workers "
            "more memory, or fewer of them, and run again"
        ) from error
    progress(size)
    return number, labels


@contextmanager
def _connected(settings: LabelSettings) -> Iterator[None]:
    """Ray for as long as it is needed, and signals as they were: Ray puts its own handler in place."""
    ray = _ray()
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is told to anyone
    # a worker that reserves no GPU sees what this process sees, and so computes where this process would
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    ours = threading.current_thread() is threading.main_thread()  # only that one may set handlers
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM) if ours}
    here = {"num_cpus": settings.workers * settings.threads, "include_dashboard": False}
    try:
        try:
            ray.init(
                address=settings.address or "local", log_to_driver=False, logging_level=logging.ERROR,
                **(here if settings.address is None else {}),
            )  # fmt: skip
        except (ray.exceptions.RayError, ConnectionError, ValueError, RuntimeError, TimeoutError) as error:
            where = settings.address or "this machine"
            said = f"labels.address: Ray at {where} cannot be reached ({one_line(error)})"
            raise raised_for(error)(said) from error
        finally:
            _restore(handlers)
        yield
    finally:
        ray.shutdown()
        _restore(handlers)


def _restore(handlers: Mapping[signal.Signals, Any]) -> None:
    for number, handler in handlers.items():
        signal.signal(number, handler)


def _packed(folder: Path) -> Files:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def _unpacked(files: Files, folder: Path) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder
