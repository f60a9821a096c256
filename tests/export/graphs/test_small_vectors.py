from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest

from decant.errors import InputError
from export.graphs.small_vectors import STEP, add_small_vectors, check_small_vectors, int8_step
from export.graphs.to_onnx import export_encoder
from export.serve.session import open_session
from tests.export.graphs.test_to_onnx import random_feed
from tests.tiny_models import tiny_encoder


@pytest.fixture
def small(graph: Path, tmp_path: Path) -> Path:
    """A graph with both kinds of small vectors."""
    path = tmp_path / "model.onnx"
    shutil.copy(graph, path)
    add_small_vectors(path, ("int8", "binary"), step=0.002)
    return path


def test_the_graph_gives_what_numpy_does(small: Path, graph: Path) -> None:
    feed = random_feed(6, 20, 90)
    names = [edge.name for edge in onnx.load(small).graph.output]
    assert names == ["last_hidden_state", "sentence_embedding", "sentence_embedding_int8", "sentence_embedding_binary"]
    _, whole, int8, binary = open_session(small, threads=1).run(None, feed)
    np.testing.assert_array_equal(whole, open_session(graph, threads=1).run(["sentence_embedding"], feed)[0])
    assert np.abs(whole / 0.002).max() > 128  # so that the clipping is seen
    np.testing.assert_array_equal(int8, np.rint(whole / np.float32(0.002)).clip(-128, 127).astype(np.int8))
    np.testing.assert_array_equal(binary, np.packbits(whole > 0, axis=1))


def test_the_step_is_stated(small: Path) -> None:
    stated = {entry.key: entry.value for entry in onnx.load(small).metadata_props}
    assert float(stated[STEP]) == pytest.approx(0.002)


def test_the_step_covers_a_share_of_the_values() -> None:
    vectors = np.linspace(-1, 1, 2001, dtype=np.float32)[None]
    assert int8_step(vectors, 1.0) == pytest.approx(1 / 127)
    assert int8_step(vectors, 0.5) == pytest.approx(0.5 / 127, rel=1e-3)


@pytest.mark.parametrize(
    ("vectors", "said"),
    [
        (np.zeros((0, 8), np.float32), "calibrated on finite vectors"),
        (np.full((1, 8), np.nan, np.float32), "calibrated on finite vectors"),
        (np.zeros((2, 8), np.float32), "zeros alone"),
    ],
)
def test_what_cannot_be_calibrated(vectors: np.ndarray, said: str) -> None:
    with pytest.raises(InputError, match=said):
        int8_step(vectors)


def test_nothing_is_added_twice_or_without_a_step(small: Path, graph: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="gives binary vectors already"):
        add_small_vectors(small, ("binary",))
    other = tmp_path / "other.onnx"
    shutil.copy(graph, other)
    before = other.read_bytes()
    with pytest.raises(InputError, match="int8 vectors need a step"):
        add_small_vectors(other, ("binary", "int8"))
    assert other.read_bytes() == before


def test_binary_needs_whole_bytes(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    encoder = tiny_encoder("bert")
    encoder.dim = 12
    export_encoder(encoder, path)
    with pytest.raises(InputError, match="dim 12 is no multiple of 8"):
        add_small_vectors(path, ("binary",))
    check_small_vectors(("int8",), 12)
