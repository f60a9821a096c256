"""What it takes to label many pairs with a teacher, reckoned from what a finished run measured."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from decant.errors import InputError
from pipeline.screen.console import duration
from teachers.labels.score_store import SHARD_PAIRS

LABELLING = "labelling.json"
KEPT_BYTES = 48  # of the process that hands out shards, a pair: keys, lengths, order, and where a score stands


@dataclass(frozen=True)
class Labelling:
    """What a run's labelling took: pairs scored anew, by how many workers, and bytes of shards a pair."""

    pairs: int
    seconds: float
    workers: int
    bytes_per_pair: float

    def write(self, folder: Path) -> None:
        """Into the stage's folder."""
        (folder / LABELLING).write_text(json.dumps(asdict(self)) + "\n", encoding="utf-8")


@dataclass(frozen=True)
class LabelCost:
    """What it takes to label `pairs` on `workers`, each as fast as one of the run; `price` in the given currency."""

    pairs: int
    workers: int
    pairs_per_second: float
    hours: float
    shards: int
    disk_gib: float
    memory_gib: float
    price: float | None

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return asdict(self)


def read_labelling(run: Path) -> Labelling:
    """What the run in this folder measured.

    Raises:
        InputError: it has no targets, or scored no pair anew when they were made.
    """
    path = run / "targets" / LABELLING
    try:
        stated = json.loads(path.read_text(encoding="utf-8"))
        found = Labelling(
            int(stated["pairs"]), float(stated["seconds"]), int(stated["workers"]), float(stated["bytes_per_pair"])
        )
    except (OSError, ValueError, TypeError, LookupError, OverflowError, RecursionError) as error:
        raise InputError(
            f"{run} holds no targets that state what they took; give a run with a cross-encoder, made by this version"
        ) from error
    if found.pairs < 1 or found.workers < 1 or not found.seconds > 0:
        raise InputError(f"{path}: no pair was scored anew there; give a run that labelled some")
    return found


def label_cost(measured: Labelling, pairs: float, workers: int, price: float | None = None) -> LabelCost:
    """Time, files, memory and price of labelling.

    Args:
        pairs: distinct ones, 1 or more.
        workers: 1 or more.
        price: of one worker for an hour.

    Raises:
        InputError: fewer than one pair or worker.
    """
    if pairs < 1 or workers < 1:
        raise InputError(f"{pairs:g} pairs on {workers} workers: give at least one of both")
    rate = measured.pairs / measured.seconds / measured.workers * workers
    hours, count = pairs / rate / 3600, int(pairs)
    return LabelCost(
        pairs=count, workers=workers, pairs_per_second=rate, hours=hours, shards=-(-count // SHARD_PAIRS),
        disk_gib=measured.bytes_per_pair * count / 2**30, memory_gib=KEPT_BYTES * count / 2**30,
        price=None if price is None else price * hours * workers,
    )  # fmt: skip


def cost_lines(measured: Labelling, cost: LabelCost) -> list[str]:
    """The cost in words, and what it was reckoned from."""
    lines = [
        f"{cost.pairs:,} pairs on {cost.workers:,} workers: {duration(3600 * cost.hours)}, "
        f"{cost.pairs_per_second:,.0f} pairs/s",
        f"{cost.shards:,} shards, {cost.disk_gib:,.2f} GiB on disk; {cost.memory_gib:,.2f} GiB of memory where they "
        "are handed out",
    ]
    if cost.price is not None:
        lines.append(f"{cost.price:,.2f} for {cost.hours * cost.workers:,.1f} hours of a worker")
    return [
        *lines,
        f"Reckoned from {measured.pairs:,} pairs that {measured.workers} "
        f"{'worker' if measured.workers == 1 else 'workers'} scored in {duration(measured.seconds)}, "
        f"{measured.bytes_per_pair:.1f} bytes each; pairs of other lengths, or other machines, take another time.",
    ]
