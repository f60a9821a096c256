"""Rules of a server that cannot be run here: a sentence each, and whether a folder keeps it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import onnx

from decant.errors import GateError


@dataclass(frozen=True)
class Rule:
    """One rule.

    Args:
        says: what the server asks for.
        holds: whether the folder has it.
    """

    says: str
    holds: bool


@dataclass(frozen=True)
class Edge:
    """An input or output of a graph: its name, element type (such as int64) and shape, -1 where a size may vary."""

    name: str
    type: str
    shape: tuple[int, ...]


def hold(server: str, rules: Sequence[Rule]) -> int:
    """How many rules there are, all of which hold.

    Raises:
        GateError: names the first that does not.
    """
    for rule in rules:
        if not rule.holds:
            raise GateError(f"{server} would not serve this folder: it asks that {rule.says}")
    return len(rules)


def graph_edges(path: Path) -> tuple[list[Edge], list[Edge]]:
    """Inputs and outputs of a graph."""
    graph = onnx.load(str(path)).graph
    return [_edge(value) for value in graph.input], [_edge(value) for value in graph.output]


def _edge(value: onnx.ValueInfoProto) -> Edge:
    tensor = value.type.tensor_type
    shape = tuple(size.dim_value if size.HasField("dim_value") else -1 for size in tensor.shape.dim)
    return Edge(value.name, onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type).name, shape)
