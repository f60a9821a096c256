"""Graphs on disk: read whole or refused in one line, changed whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import onnx

from decant.errors import InputError, one_line
from decant.files import written_whole


def load_graph(source: Path) -> onnx.ModelProto:
    """A stored graph.

    Raises:
        InputError: it is missing, or no ONNX graph.
    """
    try:
        return onnx.load(source)
    except FileNotFoundError as error:
        raise InputError(f"{source} is missing; export the encoder first") from error
    except Exception as error:  # protobuf's own errors share no base
        raise InputError(f"{source} cannot be read as an ONNX graph ({one_line(error)}); export it again") from error


@contextmanager
def rewritten(source: Path, target: Path) -> Iterator[onnx.ModelProto]:
    """The graph of `source`, to be changed in the block; then written to `target`, whole or not at all.

    Raises:
        InputError: the source is missing or no ONNX graph, or the block raised one; it names the source.
    """
    model = load_graph(source)
    try:
        yield model
    except InputError as error:
        raise InputError(f"{source}: {error}") from error
    onnx.checker.check_model(model)
    with written_whole(target) as written:
        onnx.save(model, written)
