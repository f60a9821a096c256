"""Triton's model repository: config.pbtxt written from a graph, read again, and checked against the graph."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from export.deploy.rules import Edge, Rule, graph_edges

MAX_BATCH = 64
TYPES = {"int64": "TYPE_INT64", "float32": "TYPE_FP32"}
TOKENS = re.compile(r'\s+|#[^\n]*|("(?:[^"\\]|\\.)*"|[A-Za-z_][A-Za-z0-9_]*|-?\d+|[\[\]{}:,])')
Message = dict[str, list[Any]]


def model_config(name: str, inputs: list[Edge], outputs: list[Edge], *, batches: bool) -> str:
    """The text of config.pbtxt.

    Args:
        name: of the model, and of its folder.
        inputs: of the graph.
        outputs: those of the graph that are served.
        batches: let the server join requests of one length into a batch.
    """
    lines = [f'name: "{name}"', 'backend: "onnxruntime"', f"max_batch_size: {MAX_BATCH}"]
    for kind, edges in (("input", inputs), ("output", outputs)):
        entries = [
            f'  {{ name: "{edge.name}" data_type: {TYPES[edge.type]} dims: [ {", ".join(map(str, edge.shape[1:]))} ] }}'
            for edge in edges
        ]
        lines += [f"{kind} [", ",\n".join(entries), "]"]
    return "\n".join([*lines, *(["dynamic_batching { }"] if batches else [])]) + "\n"


def triton_rules(model: Path) -> list[Rule]:
    """The rules for one model's folder, which holds config.pbtxt and 1/model.onnx."""
    config = read_pbtxt((model / "config.pbtxt").read_text(encoding="utf-8"))
    inputs, outputs = graph_edges(model / "1" / "model.onnx")
    stated_inputs, stated_outputs = _stated(config, "input"), _stated(config, "output")
    expected = {edge.name: _expected(edge) for edge in inputs}
    given = {edge.name: _expected(edge) for edge in outputs}
    return [
        Rule("the model is named as its folder", config.get("name") == [model.name]),
        Rule("the backend is onnxruntime", config.get("backend") == ["onnxruntime"]),
        Rule("a batch may have 1 text or more", all(int(size) >= 1 for size in config.get("max_batch_size", [0]))),
        Rule("the graph's first size is the batch's", all(edge.shape[0] == -1 for edge in (*inputs, *outputs))),
        Rule("the inputs are the graph's, by name, type and shape", stated_inputs == expected),
        Rule(
            "the outputs are the graph's, by name, type and shape",
            bool(stated_outputs) and all(given.get(name) == stated for name, stated in stated_outputs.items()),
        ),
    ]


def read_pbtxt(text: str) -> Message:
    """Protocol buffers' text format, as far as a model's config needs it; every field is a list of its values.

    Raises:
        ValueError: it is not of this format.
    """
    tokens: list[str] = []
    place = 0
    while place < len(text):
        found = TOKENS.match(text, place)
        if found is None:
            raise ValueError(f"{text[place : place + 20]!r} is no part of a config.pbtxt")
        place = found.end()
        if found.group(1):
            tokens.append(found.group(1))
    tokens.append("}")
    message = _message(tokens)
    if tokens:
        raise ValueError("a config.pbtxt has a } too many")
    return message


def _message(tokens: list[str]) -> Message:
    """Fields up to the closing brace; the tokens read are taken away."""
    message: Message = {}
    while tokens:
        name = tokens.pop(0)
        if name == "}":
            return message
        if tokens[:1] == [":"]:
            tokens.pop(0)
        message.setdefault(name, []).extend(_values(tokens))
    raise ValueError("a config.pbtxt has a } too few")


def _values(tokens: list[str]) -> list[Any]:
    first = tokens.pop(0) if tokens else "}"
    if first == "{":
        return [_message(tokens)]
    if first == "[":
        values: list[Any] = []
        while tokens and tokens[0] != "]":
            values += _values(tokens)
            if tokens[:1] == [","]:
                tokens.pop(0)
        tokens[:1] = []
        return values
    if first in "]}:,":
        raise ValueError(f"a config.pbtxt has {first} where a value belongs")
    return [first[1:-1] if first.startswith('"') else int(first) if re.fullmatch(r"-?\d+", first) else first]


def _stated(config: Message, kind: str) -> dict[str, tuple[str, tuple[int, ...]]]:
    return {
        edge["name"][0]: (edge.get("data_type", [""])[0], tuple(edge.get("dims", []))) for edge in config.get(kind, [])
    }


def _expected(edge: Edge) -> tuple[str, tuple[int, ...]]:
    return TYPES.get(edge.type, edge.type), edge.shape[1:]
