"""Memory and time of texts → targets → distill by the number of pairs, with tiny models: what the plumbing costs.

    python benchmarks/scale.py [--pairs 10000,100000] [--steps 200] [--made-up] [--folder runs/scale]

Every stage runs in a process of its own, which reads what is there already of the stages before it; the time is the
stage's own, the peak is the process's. `distill` is what comes before the first step, `steps` are the steps. Peak RSS
counts the pages of mapped files that happen to be in memory, which the system takes back when it needs them;
`anonymous` does not.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

import pipeline.stages.targets
from decant.progress import Advance
from pipeline.recipe.recipe import Recipe
from pipeline.run_dir import RunDir
from pipeline.stages.stage import Made, Run
from pipeline.stages.student import STUDENT
from pipeline.stages.targets import TARGETS
from pipeline.stages.teacher import TEACHER
from pipeline.stages.texts import TEXTS
from teachers.cross_encoders.cross_encoder import CrossEncoder, Pair

STAGES = ("texts", "targets", "distill")
WORDS, LABELLED, HELD_OUT = 5000, 1000, 200
LINES = 100_000  # written at once
SPECIALS = ("[PAD]", "[CLS]", "[SEP]", "[UNK]", "[MASK]")


class Enough(Exception):  # noqa: N818
    """The steps to be measured are over."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", default="10000,100000")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--made-up", action="store_true", help="scores from nowhere: targets without its teacher")
    parser.add_argument("--folder", type=Path, default=Path("runs/scale"))
    parser.add_argument("--stage", choices=STAGES, help="run this stage in the folder, and print what it took")
    options = parser.parse_args()
    if options.stage is not None:
        measured(options.folder, options.stage, options.steps, options.made_up)
        return
    print(f"{'pairs':>12} {'stage':8} {'seconds':>9} {'µs/pair':>9} {'peak MiB':>9} {'anonymous':>9}")
    for pairs in map(int, options.pairs.split(",")):
        shutil.rmtree(options.folder, ignore_errors=True)
        prepare(options.folder, pairs)
        for stage in STAGES:
            command = [sys.executable, __file__, "--folder", str(options.folder), "--stage", stage]
            command += ["--steps", str(options.steps), *(["--made-up"] if options.made_up else [])]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            found = json.loads(done.stdout.splitlines()[-1])
            for name, seconds in found["seconds"].items():
                print(
                    f"{pairs:12,} {name:8} {seconds:9.1f} {1e6 * seconds / pairs:9.1f} "
                    f"{found['peak']:9,.0f} {found['anonymous']:9,.0f}",
                    flush=True,
                )


def prepare(folder: Path, pairs: int) -> None:
    """The recipe, tiny models, and lines of generated words."""
    folder.mkdir(parents=True)
    generator = np.random.default_rng(0)
    letters = np.array(list("abcdefghijklmnoprstuvw"))
    words = np.array(["".join(generator.choice(letters, size)) for size in generator.integers(3, 9, WORDS)])
    for name, count in (("train", LABELLED), ("dev", HELD_OUT), ("test", HELD_OUT), ("unlabelled", pairs)):
        write_lines(folder / f"{name}.tsv", words, count, generator)
    tiny_models(folder, words.tolist())
    recipe = {
        "name": "scale",
        "texts": {
            "task": {"kind": "regression", "low": 0, "high": 5}, "train": "train.tsv", "dev": "dev.tsv",
            "test": "test.tsv", "unlabelled": ["unlabelled.tsv"],
        },
        "teacher": {"kind": "load", "model": str(folder.resolve() / "teacher")},
        "student": {"model": str(folder.resolve() / "encoder"), "max_length": 32, "epochs": 1, "precision": "32-true"},
    }  # fmt: skip
    (folder / "recipe.json").write_text(json.dumps(recipe))


def write_lines(path: Path, words: NDArray[np.str_], count: int, generator: np.random.Generator) -> None:
    """Pairs of 3 to 12 words a side; labels 0..5."""
    with path.open("w", encoding="utf-8") as file:
        file.write("sentence1\tsentence2\tlabel\n")
        for start in range(0, count, LINES):
            rows = min(LINES, count - start)
            drawn = words[generator.integers(0, len(words), (rows, 24))].tolist()
            ends = generator.integers(3, 13, (rows, 2)).tolist()
            labels = generator.integers(0, 6, rows).tolist()
            file.writelines(
                f"{' '.join(row[:one])}\t{' '.join(row[12 : 12 + other])}\t{label}\n"
                for row, (one, other), label in zip(drawn, ends, labels, strict=True)
            )


def tiny_models(folder: Path, words: Sequence[str]) -> None:
    """Two layers of width 32: an encoder, and a cross-encoder of it."""
    vocabulary = {token: number for number, token in enumerate(dict.fromkeys([*SPECIALS, *words]))}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    names = ("pad", "cls", "sep", "unk", "mask")
    named = {f"{name}_token": token for name, token in zip(names, SPECIALS, strict=True)}
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(vocabulary), hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64,
        max_position_embeddings=66,
    )  # fmt: skip
    BertModel(config, add_pooling_layer=False).save_pretrained(folder / "encoder")
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=64, **named).save_pretrained(
        folder / "encoder"
    )
    CrossEncoder.from_backbone(folder / "encoder", 1).save(folder / "teacher")


def measured(folder: Path, stage: str, steps: int, made_up: bool) -> None:
    """Run one stage, whose earlier ones are done, and print its memory and time as JSON."""
    recipe = Recipe.model_validate(json.loads((folder / "recipe.json").read_text()))
    run_dir = RunDir(folder / "run")
    run_dir.root.mkdir(exist_ok=True)
    if made_up:
        pipeline.stages.targets.fast_score = lambda model, pairs, folder: scores_from_nowhere
    run, made = Run(recipe, folder, run_dir), Made()
    with peak_anonymous() as peak:
        started = time.perf_counter()
        TEXTS.make(run, made)
        if stage != "texts":
            TEACHER.make(run, made)
            started = time.perf_counter()
            TARGETS.make(run, made)
        seconds = {stage: time.perf_counter() - started}
        if stage == "distill":
            started, began = time.perf_counter(), []
            with suppress(Enough):
                STUDENT.make(replace(run, screen=SimpleNamespace(watch=stopping(steps, began))), made)
            seconds = {"distill": began[0] - started, "steps": time.perf_counter() - began[0]}
    peak_rss = status("VmHWM")  # getrusage counts the process that this one was forked from, too
    print(json.dumps({"seconds": seconds, "peak": peak_rss / 1024, "anonymous": peak[0] / 1024}))


def scores_from_nowhere(pairs: Sequence[Pair], progress: Callable[[int], None]) -> NDArray[np.float32]:
    progress(len(pairs))
    return np.array([len(first) / (1 + len(second)) for first, second in pairs], np.float32)


def stopping(steps: int, began: list[float]) -> Callable[[str, int], object]:
    """A watch that notes when the training begins, and ends it after these steps."""

    @contextmanager
    def watch(label: str, total: int) -> Iterator[Advance]:
        left = steps
        began.append(time.perf_counter())

        def advance(done: int, note: str = "", /) -> None:
            nonlocal left
            left -= done
            if left <= 0:
                raise Enough

        yield advance

    return watch


@contextmanager
def peak_anonymous() -> Iterator[list[int]]:
    """The most KiB of memory that stands for no file, looked at 20 times a second."""
    peak, over = [0], threading.Event()

    def look() -> None:
        while not over.wait(0.05):
            peak[0] = max(peak[0], status("RssAnon"))

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    yield peak
    over.set()
    thread.join()


def status(name: str) -> int:
    """KiB that the system states of this process."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name))


if __name__ == "__main__":
    main()
