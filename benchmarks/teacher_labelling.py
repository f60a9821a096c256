"""Pairs a second of a teacher: Decant's labelling against sentence-transformers' CrossEncoder.predict.

    python benchmarks/teacher_labelling.py RUN [--rounds 3]

RUN is a finished run; its teacher scores the run's training pairs, both ways in turns, on the same threads.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from sentence_transformers import CrossEncoder as PeerCrossEncoder

from decant.training.cores import usable_cores
from pipeline.report.machine import read_environment
from pipeline.stages.targets import fast_score
from pipeline.texts.load import read_texts
from teachers.cross_encoders.cross_encoder import CrossEncoder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(usable_cores())
    pairs = read_texts(options.run / "texts").train.pairs
    peer = PeerCrossEncoder(str(options.run / "teacher"), device="cpu", max_length=None)
    cross = CrossEncoder.load(options.run / "teacher", (1,))
    with tempfile.TemporaryDirectory() as folder:
        score = fast_score(cross, len(pairs), Path(folder))
    ways = {
        "decant": lambda: score(pairs, lambda done: None),
        "sentence-transformers": lambda: peer.predict(
            pairs, batch_size=32, activation_fn=torch.nn.Identity(), show_progress_bar=False
        ),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    answers = {}
    for turn in range(options.rounds):
        for name in list(ways) if turn % 2 == 0 else list(reversed(ways)):
            started = time.perf_counter()
            answers[name] = np.asarray(ways[name]()).ravel()
            seconds[name].append(time.perf_counter() - started)
    environment = read_environment()
    print(f"{len(pairs)} pairs, {usable_cores()} threads, {environment.cpu} ({', '.join(environment.cpu_features)})")
    for name, times in seconds.items():
        print(f"{name:22} {len(pairs) / np.median(times):7.1f} pairs/s (median of {len(times)})")
    ratios = [b / a for a, b in zip(seconds["decant"], seconds["sentence-transformers"], strict=True)]
    print(f"ratio {np.median(ratios):.2f} (each round: {', '.join(f'{ratio:.2f}' for ratio in ratios)})")
    print(f"largest difference of a score {np.abs(answers['decant'] - answers['sentence-transformers']).max():.1e}")


if __name__ == "__main__":
    main()
