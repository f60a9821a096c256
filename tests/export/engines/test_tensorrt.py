from __future__ import annotations

import hashlib
import importlib.util
import json
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper
from pydantic import ValidationError

from decant.errors import GateError, InputError
from export.engines.engine import PRODUCTS, EngineFacts, EngineKind, EngineShapes
from export.engines.tensorrt import (
    _inspect,
    _library,
    _slugs,
    build_engine,
    builder_version,
    what_is_missing,
)
from export.graphs.float16 import convert_to_float16
from export.serve.gpu import gpu

needs_rtx = pytest.mark.skipif(
    importlib.util.find_spec("tensorrt_rtx") is None, reason="tensorrt-rtx is not installed (x86-64 only)"
)
needs_gpu = pytest.mark.skipif(gpu() is None, reason="there is no NVIDIA GPU here")


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("export.engines.tensorrt.gpu", lambda: None)


@needs_rtx
@pytest.mark.usefixtures("no_gpu")
@pytest.mark.parametrize(("kind", "precision"), [("tensorrt-rtx", "fp32"), ("tensorrt-rtx-fp16", "fp16")])
def test_an_engine_is_built_without_a_gpu(kind: EngineKind, precision: str, graph: Path, tmp_path: Path) -> None:
    source = graph
    if precision == "fp16":
        source = tmp_path / "half.onnx"
        convert_to_float16(graph, source)
    facts = build_engine(source, tmp_path / "engines", kind, 64)
    assert facts.file == f"tensorrt-rtx-{builder_version(kind)}-{precision}.engine"
    written = (tmp_path / "engines" / facts.file).read_bytes()
    assert written[4:8] == bytes(4), "a header stands before the plan"
    assert facts.sha256 == hashlib.sha256(written).hexdigest()
    assert facts.size_mib == len(written) / 2**20
    assert facts.shapes == ((1, 2), (32, 32), (128, 64))
    assert facts.runs_on == "any GPU of compute capability 8.0 or later"
    weights = sum(one.ByteSize() for one in onnx.load(source).graph.initializer) / 2**20
    assert facts.weights_mib == pytest.approx(weights, rel=0.2)
    assert facts.activations_mib is not None
    assert facts.activations_mib > 128 * 64 * 32 * 2 / 2**20, "the widest state of the largest shape"
    assert facts.layers_by_type[precision] > facts.layers / 2
    told = json.loads((tmp_path / "engines" / facts.file.replace(".engine", ".json")).read_text(encoding="utf-8"))
    assert len(told.pop("inspection")) == facts.layers
    assert EngineFacts.model_validate(told) == facts
    if gpu() is None:
        assert facts.checked == "header"


@needs_rtx
def test_what_is_no_engine_is_refused_by_its_header() -> None:
    with pytest.raises(GateError, match="tensorrt-rtx built what its own runtime takes for no engine"):
        _inspect(_library("tensorrt-rtx"), b"no engine" * 100, PRODUCTS["tensorrt-rtx"])


@needs_rtx
def test_an_operator_that_it_lacks_is_named_and_nothing_is_written(tmp_path: Path) -> None:
    node = helper.make_node("Sing", ["input_ids"], ["sentence_embedding"], domain="org.example")
    edges = [helper.make_tensor_value_info(name, TensorProto.INT64, ["b", "l"]) for name in (*node.input, *node.output)]
    graph = helper.make_graph([node], "song", edges[:1], edges[1:])
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("org.example", 1)]
    onnx.save(helper.make_model(graph, opset_imports=opsets), tmp_path / "song.onnx")
    with pytest.raises(InputError, match=r"song\.onnx: TensorRT cannot read it: .*Sing"):
        build_engine(tmp_path / "song.onnx", tmp_path / "engines", "tensorrt-rtx", 64)
    assert not (tmp_path / "engines").exists()


@needs_rtx
def test_a_missing_graph(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.onnx is missing; export the encoder first"):
        build_engine(tmp_path / "none.onnx", tmp_path, "tensorrt-rtx", 64)


@pytest.mark.usefixtures("no_gpu")
def test_the_data_centres_library_needs_a_gpu(graph: Path, tmp_path: Path) -> None:
    missing = what_is_missing("tensorrt")
    assert missing is not None
    assert missing.startswith("an NVIDIA GPU with its driver")
    with pytest.raises(InputError, match="tensorrt: no engine can be built here; it needs an NVIDIA GPU with its"):
        build_engine(graph, tmp_path, "tensorrt", 64)


def test_an_absent_package_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert what_is_missing("tensorrt-rtx") == "the package tensorrt-rtx (pip install 'decant[tensorrt-rtx]')"


def test_the_gpu_in_a_file_name() -> None:
    assert _slugs("NVIDIA H100 80GB HBM3", "9.0") == ["nvidia-h100-80gb-hbm3", "sm90"]


def test_shapes_stay_within_what_the_model_takes() -> None:
    assert EngineShapes().up_to(512) == ((1, 2), (32, 32), (128, 256))
    assert EngineShapes(texts=(1, 4, 8)).up_to(16) == ((1, 2), (4, 16), (8, 16))
    with pytest.raises(ValidationError, match=r"tokens: \[2, 64, 32\] must be 1 or more and ascend"):
        EngineShapes(tokens=(2, 64, 32))


@pytest.mark.gpu
@needs_gpu
@pytest.mark.skipif(importlib.util.find_spec("tensorrt") is None, reason="tensorrt is not installed")
def test_the_data_centres_engine_is_tied_to_its_gpu(graph: Path, tmp_path: Path) -> None:
    convert_to_float16(graph, tmp_path / "half.onnx")
    cache = tmp_path / "timing.cache"
    facts = build_engine(tmp_path / "half.onnx", tmp_path, "tensorrt", 64, timing_cache=cache)
    device = gpu()
    assert device is not None
    assert facts.checked == "deserialised"
    assert facts.runs_on.startswith(device[0])
    assert facts.file.endswith(f"-sm{device[1].replace('.', '')}.engine")
    assert facts.layers > 0
    assert cache.stat().st_size > 0
    again = build_engine(tmp_path / "half.onnx", tmp_path, "tensorrt", 64, timing_cache=cache)
    assert again.layers == facts.layers


@pytest.mark.gpu
@needs_gpu
@needs_rtx
def test_a_portable_engine_loads_on_a_gpu(graph: Path, tmp_path: Path) -> None:
    assert build_engine(graph, tmp_path, "tensorrt-rtx", 64).checked == "deserialised"
