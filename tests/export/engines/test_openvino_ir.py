from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from decant.errors import InputError
from decant.models.encoder import SentenceEncoder
from export.engines.openvino_ir import FILES, IrQuantizeSettings, IrSession, missing_for_ir, quantize_ir, write_ir
from export.quantize.calibration import calibration_batches
from export.serve.session import OnnxEncoder
from tests.export.conftest import TEXTS
from tests.tiny_models import WORDS

needs_openvino = pytest.mark.skipif(
    missing_for_ir("int8") is not None, reason="openvino and nncf are not installed (the extra openvino)"
)


@pytest.fixture(scope="module")
def converted(artifact: Path, graph: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the artifact with its IR."""
    folder = tmp_path_factory.mktemp("ir") / "artifact"
    shutil.copytree(artifact, folder)
    write_ir(graph, folder / FILES["fp32"])
    return folder


@needs_openvino
def test_the_ir_encodes_as_torch_does_whatever_the_batch(converted: Path, encoder: SentenceEncoder) -> None:
    served = OnnxEncoder(converted, 1, FILES["fp32"])
    assert served.dim == 24
    vectors = served.encode(TEXTS)
    assert vectors.dtype == np.float32
    assert (vectors * encoder.encode(TEXTS)).sum(axis=1).min() >= 0.99999
    np.testing.assert_allclose(served.encode(TEXTS, batch_size=1), vectors, atol=1e-6)


@needs_openvino
def test_its_edges_are_the_graphs(converted: Path) -> None:
    session = IrSession(converted / FILES["fp32"], 1)
    assert {edge.name: edge.shape for edge in session.get_inputs()} == {
        "input_ids": [None, None], "attention_mask": [None, None],
    }  # fmt: skip
    assert {edge.name: edge.shape for edge in session.get_outputs()} == {
        "last_hidden_state": [None, None, 24], "sentence_embedding": [None, 24],
    }  # fmt: skip


@needs_openvino
def test_both_files_are_written_and_nothing_else(converted: Path) -> None:
    assert {path.name for path in (converted / "openvino").glob("openvino_model.*")} == {
        "openvino_model.xml", "openvino_model.bin",
    }  # fmt: skip
    assert not list((converted / "openvino").glob(".*"))


@needs_openvino
def test_int8_is_smaller_close_and_the_same_in_every_batch(converted: Path) -> None:
    whole, served = OnnxEncoder(converted, 1), OnnxEncoder(converted, 1, FILES["fp32"])
    texts = [" ".join(WORDS[start : start + 1 + start % 7]) for start in range(30)]
    batches = calibration_batches(whole.tokenize(texts), 1)
    told = quantize_ir(converted / FILES["fp32"], converted / FILES["int8"], batches, IrQuantizeSettings(max_drop=0.1))
    small = OnnxEncoder(converted, 1, FILES["int8"])
    vectors = small.encode(texts)
    cosines = (vectors * served.encode(texts)).sum(axis=1)
    assert told == pytest.approx(cosines.mean(), abs=1e-4)
    assert 0.9 <= told < 1
    np.testing.assert_allclose(small.encode(texts, batch_size=1), vectors, atol=1e-5)
    sizes = [(converted / FILES[kind]).with_suffix(".bin").stat().st_size for kind in ("fp32", "int8")]
    assert sizes[1] < 0.5 * sizes[0]


@needs_openvino
def test_a_missing_graph_and_a_missing_ir(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.onnx is missing; export the encoder first"):
        write_ir(tmp_path / "none.onnx", tmp_path / "none.xml")
    with pytest.raises(InputError, match=r"none\.xml is missing: there is no IR to run"):
        IrSession(tmp_path / "none.xml")


@needs_openvino
def test_damaged_files(tmp_path: Path) -> None:
    (tmp_path / "a.onnx").write_text("no graph")
    with pytest.raises(InputError, match=r"a\.onnx: OpenVINO cannot read it"):
        write_ir(tmp_path / "a.onnx", tmp_path / "a.xml")
    (tmp_path / "a.xml").write_text("<no IR>")
    with pytest.raises(InputError, match=r"a\.xml cannot be run"):
        IrSession(tmp_path / "a.xml")
    assert {path.name for path in tmp_path.iterdir()} == {"a.onnx", "a.xml"}


def test_an_absent_package_names_its_extra(graph: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert missing_for_ir("int8") == "the package openvino and nncf (pip install 'decant[openvino]')"
    with pytest.raises(InputError, match=r"it needs the package openvino \(pip install 'decant\[openvino\]'\)"):
        write_ir(graph, tmp_path / "a.xml")
