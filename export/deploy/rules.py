"""Rules of a server that cannot be run here: a sentence each, and whether a folder keeps it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from decant.errors import GateError
from export.serve.session import open_session

NUMPY_NAMES = {"float": "float32", "double": "float64"}  # of onnxruntime's types that are called otherwise


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
    session = open_session(path, 1)
    return [_edge(edge) for edge in session.get_inputs()], [_edge(edge) for edge in session.get_outputs()]


def _edge(edge: Any) -> Edge:
    kind = edge.type.removeprefix("tensor(").removesuffix(")")
    shape = tuple(size if isinstance(size, int) else -1 for size in edge.shape)
    return Edge(edge.name, NUMPY_NAMES.get(kind, kind), shape)
