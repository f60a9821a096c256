"""What bitsandbytes costs and saves: an encoder in float32, bfloat16, NF4 and int8, each in torch, in one run.

    python benchmarks/bnb.py MODEL [--data DIR] [--limit PAIRS] [--rounds 3] [--texts 256]

MODEL is any model reference of float weights. For each kind: Spearman on STS-B test, MiB of its weights, the most
memory that loading it and encoding 32 texts takes in a process of its own, and texts a second, in turns on the same
threads. NF4 and int8 compute as they do when a teacher labels: under bfloat16 autocast where the processor multiplies
that itself. On a CPU the peak is resident memory, so it holds the pages of the float file that each kind is read from,
which the system can take back; on a GPU it is what torch has allocated there. DIR defaults to the folder in
DECANT_DATA.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import get_args

import numpy as np
import torch
from numpy.typing import NDArray

from decant.models.encoder import SentenceEncoder
from decant.models.quantized import QUANTIZE, Quantize, require_packages
from decant.models.reference import resolve_model
from decant.models.similarity import cosines, pair_vectors
from decant.training.cores import usable_cores
from export.serve.encode_texts import encoding_precision, fast_encode
from pipeline.measure.correlation import spearman
from pipeline.measure.rounds import time_interleaved
from pipeline.measure.size import MIB, peak_memory_of
from pipeline.report.machine import read_environment
from pipeline.texts.labelled_pairs import read_labelled
from pipeline.texts.source import data_folder

KINDS = ("float32", "bfloat16", *get_args(Quantize))
IN_ITS_OWN_PROCESS = """
import sys
from pathlib import Path
import torch
from decant.models.encoder import SentenceEncoder
import accelerate, bitsandbytes
torch.set_num_threads(int(sys.argv[3]))
kind = sys.argv[1]
if kind != "nothing":
    encoder = SentenceEncoder.load(Path(sys.argv[2]), quantize=kind if kind in ("nf4", "int8") else None)
    if kind == "bfloat16":
        encoder.to(torch.bfloat16)
    encoder.encode(["How do I reset my password?"] * 32)
"""
Encode = Callable[[Sequence[str]], NDArray[np.float32]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--limit", type=int, help="pairs of the test set; default: all")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--texts", type=int, default=256, help="texts that are timed")
    options = parser.parse_args()
    require_packages("benchmarks/bnb.py", *QUANTIZE)
    data = options.data or data_folder()
    if data is None:
        parser.error("--data DIR or DECANT_DATA is needed")
    pairs, labels, _ = read_labelled(data / "stsb" / "test.tsv", "sentence1", "sentence2", "label")
    pairs, labels = pairs[: options.limit], labels[: options.limit]
    threads, folder = usable_cores(), resolve_model(options.model)
    torch.set_num_threads(threads)
    environment = read_environment(threads)
    encoders = {kind: loaded(folder, kind) for kind in KINDS}
    ways = {kind: encode for kind, (encode, _, _) in encoders.items()}
    timed = list(dict.fromkeys(text for pair in pairs for text in pair))[: options.texts]
    seconds = time_interleaved({kind: lambda way=way: way(timed) for kind, way in ways.items()}, options.rounds, 1)
    print(f"{options.model}: {len(pairs)} pairs, {len(timed)} texts timed, {threads} threads,", end=" ")
    print(f"{environment.gpu or environment.cpu} ({', '.join(environment.cpu_features)}),")
    print(f"NF4 and int8 under {encoding_precision('auto')}; median of {options.rounds} rounds\n")
    print("| weights | Spearman | MiB | peak MiB | texts/s | × float32 |\n| --- |" + " ---: |" * 5)
    imports = 0.0 if torch.cuda.is_available() else peak_alone("nothing", folder, threads)
    for kind, encode in ways.items():
        found = 100 * spearman(cosines(*pair_vectors(pairs, encode)), labels)
        speed = len(timed) / np.median(seconds[kind])
        ratio = np.median(np.array(seconds["float32"]) / np.array(seconds[kind]))
        _, encoder, allocated = encoders[kind]
        weights = sum(tensor.nbytes for tensor in encoder.state_dict().values()) / MIB
        peak = allocated if allocated is not None else peak_alone(kind, folder, threads) - imports
        print(f"| {kind} | {found:.2f} | {weights:.1f} | {peak:,.0f} | {speed:,.0f} | {ratio:.2f} |", flush=True)


def loaded(folder: Path, kind: str) -> tuple[Encode, SentenceEncoder, float | None]:
    """A way to its vectors, the encoder, and on a GPU the MiB that loading it and encoding 32 texts took."""
    on_gpu = torch.cuda.is_available()
    if on_gpu:
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
    quantize = next((one for one in get_args(Quantize) if one == kind), None)
    encoder = SentenceEncoder.load(folder, quantize=quantize)
    if quantize is None:
        encoder.to("cuda" if on_gpu else "cpu", torch.bfloat16 if kind == "bfloat16" else torch.float32)
    with tempfile.TemporaryDirectory() as scratch:  # few texts: torch, whatever the kind
        by_kind = fast_encode(encoder, 0, Path(scratch), "fp32" if quantize is None else "auto")
    by_kind(["How do I reset my password?"] * 32, lambda done: None)
    allocated = (torch.cuda.max_memory_allocated() - before) / MIB if on_gpu else None
    return lambda texts: by_kind(texts, lambda done: None), encoder, allocated


def peak_alone(kind: str, folder: Path, threads: int) -> float:
    """MiB of resident memory at its most, the mapped file included; with "nothing", of the imports alone."""
    peak = peak_memory_of(IN_ITS_OWN_PROCESS, [kind, str(folder), str(threads)])
    return float("nan") if peak is None else peak


if __name__ == "__main__":
    main()
