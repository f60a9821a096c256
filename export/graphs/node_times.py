"""Where a graph's time goes: its nodes as onnxruntime itself times them, those that pool apart from the encoder's."""

from __future__ import annotations

import json
import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray

from export.graphs.vector_kinds import WHOLE
from export.serve.providers import CPU
from export.serve.session import session_options

TOKEN_STATES = "last_hidden_state"
TIMED = "_kernel_time"  # how onnxruntime's profile names the computation of a node


def pooling_share(graph: Path, feeds: Sequence[Mapping[str, NDArray[np.int64]]], threads: int | None = None) -> float:
    """Share of the nodes' time in which token states become a sentence's vector, 0..1; the median over the runs.

    That is every node that the token states do not need, and the cut to fewer dimensions, which the graph makes just
    before it gives them. Nodes are those of the graph as onnxruntime has optimized it for this machine.

    Args:
        graph: an encoder's, as Decant exports it.
        feeds: one a run, after a first run that is not counted; at least one.
        threads: of a run; all that this process may use, unless given.

    Raises:
        ValueError: no feed.
    """
    if not feeds:
        raise ValueError("node times need at least one feed")
    with tempfile.TemporaryDirectory() as scratch:
        optimized, profile = _profiled(graph, [feeds[0], *feeds], threads, Path(scratch))
    pooling = pooling_nodes(optimized)
    by_run: dict[str, list[float]] = defaultdict(list)
    for event in profile:
        if event.get("cat") == "Node" and str(event["name"]).endswith(TIMED):
            by_run[str(event["name"]).removesuffix(TIMED)].append(float(event["dur"]))
    seconds = {name: np.array(found[1:]) for name, found in by_run.items()}
    whole = sum(seconds.values(), np.zeros(len(feeds)))
    pooled = sum((found for name, found in seconds.items() if name in pooling), np.zeros(len(feeds)))
    return float(np.median(pooled / np.maximum(whole, 1e-9)))


def pooling_nodes(graph: onnx.GraphProto) -> set[str]:
    """Names of the nodes that the token states do not need, and of the cut that makes them."""
    maker = {output: node for node in graph.node for output in node.output}
    needed, waiting = set(), [TOKEN_STATES]
    while waiting:
        node = maker.get(waiting.pop())
        if node is not None and node.name not in needed:
            needed.add(node.name)
            waiting += node.input
    cut = maker.get(TOKEN_STATES)
    if cut is not None and cut.op_type == "Slice":
        needed.discard(cut.name)
    return {node.name for node in graph.node} - needed


def _profiled(
    graph: Path, feeds: Sequence[Mapping[str, NDArray[np.int64]]], threads: int | None, scratch: Path
) -> tuple[onnx.GraphProto, list[dict[str, Any]]]:
    """The optimized graph without its weights, and the events of a run of each feed."""
    options = session_options(threads)
    options.enable_profiling, options.profile_file_prefix = True, str(scratch / "profile")
    options.optimized_model_filepath = str(scratch / "optimized.onnx")
    options.add_session_config_entry("session.optimized_model_external_initializers_file_name", "weights.bin")
    session = ort.InferenceSession(str(graph), options, providers=list(CPU))
    for feed in feeds:
        session.run([WHOLE], dict(feed))
    events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
    return onnx.load(scratch / "optimized.onnx", load_external_data=False).graph, events
