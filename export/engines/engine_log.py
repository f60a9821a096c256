"""What TensorRT's builder tells in its log: an engine's layers, their number types, and its memory.

The engine itself can only be asked on a GPU; its builder writes the same lines wherever it runs.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

LAYER = re.compile(r"^Name: (?P<name>.*?), LayerType: (?P<kind>\w+), ", re.MULTILINE)
NUMBER_TYPES = {"Float": "fp32", "Half": "fp16", "BFloat16": "bf16", "Int8": "int8", "FP8": "fp8"}
MEMORY = {"weights": r"Total Weights Memory: (\d+) bytes", "activations": r"Total Activation Memory: (\d+) bytes"}


@dataclass(frozen=True)
class Layer:
    """One layer of a built engine; `types` are the number types of its outputs, such as fp16 or Int64."""

    name: str
    kind: str
    types: tuple[str, ...]


def read_layers(text: str) -> tuple[Layer, ...]:
    """Layers in the order in which they run.

    Args:
        text: the builder's log, or an engine inspector's answer, in TensorRT's one-line format; a line a layer.
    """
    found = []
    for match in LAYER.finditer(text):
        rest = text[match.end() :].split("\n", 1)[0]
        outputs = rest.partition("Outputs: [")[2].partition("TacticName:")[0]
        types = (NUMBER_TYPES.get(name, name) for name in re.findall(r"Datatype: (\w+)", outputs))
        found.append(Layer(match["name"], match["kind"], tuple(types)))
    return tuple(found)


def layers_by_type(layers: Sequence[Layer]) -> dict[str, int]:
    """How many layers write each number type, the most frequent first; shapes and indices are left out."""
    counts = Counter(kind for layer in layers for kind in set(layer.types) if kind in NUMBER_TYPES.values())
    return dict(counts.most_common())


def read_memory(text: str) -> dict[str, int]:
    """Bytes of `weights`, and of `activations` at the largest shapes; nothing of what the log does not tell."""
    found = {name: re.findall(pattern, text) for name, pattern in MEMORY.items()}
    return {name: int(values[-1]) for name, values in found.items() if values}
