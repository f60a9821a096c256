"""A graph rebuilt so that its activations are matrices, one token row each, for as long as nothing needs more.

QuantizeLinear takes one scale a row of a matrix only. So from the first product on, activations stay [rows, width]
through all nodes that treat each row by itself, and get their own shape back where another node reads them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper

from decant.errors import InputError

Array = NDArray[np.generic]
Floats = NDArray[np.float32]
CONTRIB = "com.microsoft"  # the domain of onnxruntime's own operators
ROW_WISE = {
    "Add", "Sub", "Mul", "Div", "Erf", "Tanh", "Sigmoid", "Relu", "Gelu", "FastGelu", "QuickGelu", "BiasGelu",
    "LayerNormalization", "SkipLayerNormalization",
}  # fmt: skip


@dataclass(frozen=True)
class Rows:
    """An activation as float32 [rows, width].

    Args:
        name: of the matrix.
        width: its columns.
        origin: the activation that has the same rows in their own shape, [..., origin_width].
        origin_width: see there.
        age: origins in the order of their appearance.
    """

    name: str
    width: int
    origin: str
    origin_width: int
    age: int


class RowGraph:
    """The nodes and stored tensors of a graph under work; `finish` writes them.

    Args:
        model: the graph as it was; not changed before `finish`.
    """

    def __init__(self, model: onnx.ModelProto) -> None:
        self._model, self._graph = model, model.graph
        self.opset = max(one.version for one in model.opset_import if one.domain in ("", "ai.onnx"))
        self.stored = {weight.name: weight for weight in model.graph.initializer}
        self.made: dict[tuple[str, str], str] = {}
        """What exists once an activation: (its name, what) → name."""
        self._outputs = {edge.name for edge in model.graph.output}
        self._producers = {name: node for node in model.graph.node for name in node.output}
        self._readers: dict[str, list[NodeProto]] = defaultdict(list)
        for node in model.graph.node:
            for name in node.input:
                self._readers[name].append(node)
        self._nodes: list[NodeProto] = []
        self._rows: dict[str, Rows] = {}
        self._missing: set[str] = set()  # activations that so far exist as rows alone

    def finish(self) -> None:
        """Replace the graph's nodes and its stored tensors, those that are still read."""
        for name in self._outputs:
            self.whole(name)
        read = {name for node in self._nodes for name in node.input}
        del self._graph.node[:], self._graph.initializer[:], self._graph.value_info[:]
        self._graph.node.extend(self._nodes)
        self._graph.initializer.extend(weight for name, weight in self.stored.items() if name in read)
        declared = {one.domain for one in self._model.opset_import}
        if CONTRIB not in declared and any(node.domain == CONTRIB for node in self._nodes):
            self._model.opset_import.append(helper.make_opsetid(CONTRIB, 1))

    def add(self, kind: str, inputs: Sequence[str], output: str | None = None, **attributes: Any) -> str:
        """Append a new node; its output's name."""
        output = output or f"rows.{kind}.{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, inputs, [output], f"{output}.{kind}", **attributes))
        return output

    def store(self, name: str, values: Array | np.generic) -> str:
        """Store a tensor, unless one of that name is there; its name."""
        if name not in self.stored:
            self.stored[name] = numpy_helper.from_array(np.asarray(values), name)
        return name

    def finite(self, name: str) -> Floats:
        """A stored tensor's values, float32.

        Raises:
            InputError: one of them is not finite.
        """
        values = numpy_helper.to_array(self.stored[name])
        if not np.isfinite(values).all():
            raise InputError(f"the weight {name!r} holds values that are not finite; train the model again")
        return values.astype(np.float32)

    def keep(self, node: NodeProto) -> None:
        """Append a node of the old graph, on rows where it treats each by itself."""
        rows = self._rows_of(node)
        if rows:
            output = f"{node.output[0]}.rows"
            read = [self._rows[name].name if name in self._rows else name for name in node.input]
            self._nodes.append(_changed(node, read, [output]))
            oldest = min(rows, key=lambda one: one.age)  # so that as few shapes as possible are asked for
            self.set_rows(node.output[0], output, oldest.width, oldest)
        elif node.op_type == "Shape" and (origin := self._of_same_shape(node.input[0])):
            self._nodes.append(_changed(node, [origin], node.output))
        elif node.op_type == "Reshape" and node.input[0] in self._rows and not self._copies_sizes(node.input[1]):
            self._nodes.append(_changed(node, [self._rows[node.input[0]].name, node.input[1]], node.output))
        else:
            for name in node.input:
                self.whole(name)
            self._nodes.append(node)

    def as_rows(self, activation: str, width: int) -> Rows:
        """An activation [..., width] as a matrix."""
        if activation not in self._rows:
            shape = self.store(f"rows_of_{width}", np.array([-1, width]))
            name = self.add("Reshape", [activation, shape], f"{activation}.rows")
            self._rows[activation] = Rows(name, width, activation, width, len(self._rows))
        return self._rows[activation]

    def set_rows(self, activation: str, name: str, width: int, like: Rows) -> None:
        """Say that an activation of the old graph is there as a matrix, of the same rows as another one."""
        self._rows[activation] = Rows(name, width, like.origin, like.origin_width, like.age)
        self._missing.add(activation)

    def whole(self, activation: str) -> None:
        """Give an activation that exists as rows alone its own shape."""
        if activation not in self._missing:
            return
        self._missing.remove(activation)
        rows = self._rows[activation]
        key = (rows.origin, f"shape {rows.width}")
        if key not in self.made:
            self.made[key] = self._shape(rows)
        self.add("Reshape", [rows.name, self.made[key]], activation)

    def constant(self, name: str) -> Array | None:
        """A stored tensor's values, or a Constant node's."""
        if name in self.stored:
            return numpy_helper.to_array(self.stored[name])
        producer = self._producers.get(name)
        if producer is None or producer.op_type != "Constant" or producer.attribute[0].name != "value":
            return None
        return numpy_helper.to_array(producer.attribute[0].t)

    def added_bias(self, product: str, width: int) -> tuple[NodeProto, Array] | None:
        """The Add that is all that reads a product, and the [width] that it adds to each row."""
        readers = self._readers[product]
        if len(readers) != 1 or readers[0].op_type != "Add" or product in self._outputs:
            return None
        bias = self.constant(next((name for name in readers[0].input if name != product), ""))
        return (readers[0], bias) if bias is not None and bias.shape == (width,) else None

    def _rows_of(self, node: NodeProto) -> list[Rows]:
        """The matrices that a node reads; none unless it treats each row by itself."""
        if node.op_type not in ROW_WISE or any(node.output[1:]):
            return []
        rows = [self._rows[name] for name in node.input if name in self._rows]
        others = [self.constant(name) for name in node.input if name and name not in self._rows]
        if len({one.width for one in rows}) != 1:
            return []
        fit = all(one is not None and one.ndim <= 1 and one.size in (1, rows[0].width) for one in others)
        return rows if fit and all(one.i == -1 for one in node.attribute if one.name == "axis") else []

    def _of_same_shape(self, activation: str) -> str | None:
        """What has the shape of an activation that exists as rows alone."""
        rows = self._rows[activation] if activation in self._missing else None
        return rows.origin if rows is not None and rows.width == rows.origin_width else None

    def _shape(self, rows: Rows) -> str:
        shape = self.add("Shape", [rows.origin])
        if rows.width == rows.origin_width:
            return shape
        bounds = [self.store(f"at_{end}", np.array([end])) for end in (0, -1)]
        width = self.store(f"width_{rows.width}", np.array([rows.width]))
        return self.add("Concat", [self.add("Slice", [shape, *bounds]), width], axis=0)

    def _copies_sizes(self, shape: str) -> bool:
        """Whether a Reshape's shape may hold a 0, which stands for a size of the tensor that it reads."""
        producer = self._producers.get(shape)
        parts = list(producer.input) if producer is not None and producer.op_type == "Concat" else [shape]
        constants = [self.constant(name) for name in parts]
        if len(parts) == 1 and constants[0] is None:
            return True
        return any(one is not None and bool((one == 0).any()) for one in constants)


def is_matrix(weight: TensorProto | None) -> bool:
    """Whether a stored tensor is float32 [rows, columns]."""
    return weight is not None and weight.data_type == TensorProto.FLOAT and len(weight.dims) == 2


def _changed(node: NodeProto, inputs: Sequence[str], outputs: Sequence[str]) -> NodeProto:
    copied = NodeProto()
    copied.CopyFrom(node)
    del copied.input[:], copied.output[:]
    copied.input.extend(inputs)
    copied.output.extend(outputs)
    return copied
