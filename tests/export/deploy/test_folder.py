from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer

from decant.errors import InputError
from decant.models.encoder import SentenceEncoder
from export.artifact.bundle import ArtifactFacts, verify_artifact, write_artifact
from export.deploy import folder as folder_module
from export.deploy.folder import bundle_artifact
from export.deploy.target import TARGETS, Target, target_of
from export.graphs.to_onnx import export_comparator, export_encoder
from export.serve.session import OnnxEncoder
from students.distill.comparator import Comparator
from students.sharing.share_maps import share_attention
from tests.export.conftest import TEXTS
from tests.tiny_artifacts import exported_artifact
from tests.tiny_models import tiny_encoder

TOKENIZER = {"tokenizer.json", "tokenizer_config.json"}
CONFIGURED = TOKENIZER | {"config.json", "special_tokens_map.json"}
LAYOUTS: dict[Target, set[str]] = {
    "ort": TOKENIZER | {"onnx/model.onnx"},
    "st": CONFIGURED
    | {
        "modules.json", "1_Pooling/config.json", "2_Normalize/config.json", "2_Dense/config.json",
        "2_Dense/model.safetensors", "config_sentence_transformers.json", "sentence_bert_config.json",
        "model.safetensors", "onnx/model.onnx",
    },
    "tei": CONFIGURED
    | {
        "sentence_bert_config.json", "1_Pooling/config.json", "config_sentence_transformers.json", "onnx/model.onnx",
        "Dockerfile",
    },
    "fastembed": CONFIGURED | {"onnx/model.onnx"},
    "transformers.js": CONFIGURED | {"onnx/model.onnx"},
    "triton": TOKENIZER | {"models/encoder/config.pbtxt", "models/encoder/1/model.onnx", "Dockerfile"},
    "openvino": TOKENIZER | {"encoder/1/model.xml", "encoder/1/model.bin", "Dockerfile"},
}  # fmt: skip


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def pretend_to_convert(graph: Path, xml: Path) -> None:
    assert graph.is_file()
    xml.write_text("<net/>")
    xml.with_suffix(".bin").write_bytes(b"")


def bundled(artifact: Path, target: Target, out: Path) -> Path:
    bundle_artifact(artifact, target, out, convert=pretend_to_convert)
    return out


@pytest.fixture
def int8(encoder: SentenceEncoder, int8_graph: Path, tmp_path: Path) -> Path:
    """A dynamically quantized artifact."""
    folder = tmp_path / "int8"
    write_artifact(folder, encoder, int8_graph, ArtifactFacts("int8", "int8-dynamic", "# int8"))
    return folder


@pytest.fixture
def compared(encoder: SentenceEncoder, graph: Path, tmp_path: Path) -> Path:
    """An artifact with a comparator."""
    export_comparator(Comparator(24, 3, hidden=8), tmp_path / "c.onnx")
    facts = ArtifactFacts("compared", "fp32", "# a")
    write_artifact(tmp_path / "compared", encoder, graph, facts, comparator_graph=tmp_path / "c.onnx")
    return tmp_path / "compared"


@pytest.fixture(scope="module")
def concatenated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An artifact whose pooling only its graph knows."""
    root = tmp_path_factory.mktemp("concatenated")
    encoder = tiny_encoder("bert", "concat_top_mean")
    export_encoder(encoder, root / "model.onnx")
    write_artifact(root / "a", encoder, root / "model.onnx", ArtifactFacts("a", "fp32", "# a"))
    return root / "a"


@pytest.mark.parametrize("target", TARGETS)
def test_each_runtime_gets_its_layout(target: Target, artifact: Path, tmp_path: Path) -> None:
    out = bundled(artifact, target, tmp_path / "new" / target)
    assert files(out) == LAYOUTS[target] | {"README.md"}
    assert [path.name for path in out.parent.iterdir()] == [target], "no scratch folder is left"
    said = (out / "README.md").read_text(encoding="utf-8")
    assert said.startswith("# L4xD24-fp32 for ")
    assert "24 dimensions" in said
    assert "cut at 64 tokens" in said
    assert verify_artifact(artifact), "the artifact is what it was"


@pytest.mark.parametrize("target", ["ort", "fastembed", "tei", "transformers.js"])
def test_the_graph_gives_the_artifacts_vectors(target: Target, artifact: Path, tmp_path: Path) -> None:
    out = bundled(artifact, target, tmp_path / "out")
    np.testing.assert_array_equal(OnnxEncoder(out).encode(TEXTS), OnnxEncoder(artifact).encode(TEXTS))


def test_sentence_transformers_loads_its_folder(artifact: Path, tmp_path: Path) -> None:
    out = bundled(artifact, "st", tmp_path / "st")
    vectors = SentenceTransformer(str(out), device="cpu").encode(TEXTS)
    np.testing.assert_allclose(vectors, OnnxEncoder(artifact).encode(TEXTS), atol=1e-5)


def test_the_states_of_a_cut_model_fit_the_dense_module_after_them(artifact: Path, tmp_path: Path) -> None:
    out = bundled(artifact, "st", tmp_path / "st")
    encoder = OnnxEncoder(out)
    ids = encoder.tokenize(["a black cat"])
    feed = {"input_ids": np.array(ids, np.int64), "attention_mask": np.ones((1, len(ids[0])), np.int64)}
    (states,) = encoder._session.run(["last_hidden_state"], feed)
    assert states.shape[-1] == read(out / "2_Dense" / "config.json")["in_features"] == 32
    pooled = states[0].mean(axis=0)[:24]
    np.testing.assert_allclose(pooled / np.linalg.norm(pooled), encoder.encode(["a black cat"])[0], atol=1e-6)


def test_transformers_js_finds_the_dtype_and_its_file(artifact: Path, int8: Path, tmp_path: Path) -> None:
    out = bundled(artifact, "transformers.js", tmp_path / "fp32")
    assert read(out / "config.json")["transformers.js_config"] == {"dtype": "fp32"}
    out = bundled(int8, "transformers.js", tmp_path / "q8")
    assert read(out / "config.json")["transformers.js_config"] == {"dtype": "q8"}
    assert files(out) == CONFIGURED | {"onnx/model_quantized.onnx", "README.md"}


def test_a_quantized_graph_stands_without_other_weights(int8: Path, tmp_path: Path) -> None:
    out = bundled(int8, "st", tmp_path / "st")
    assert files(out) == LAYOUTS["st"] - {"model.safetensors"} | {"README.md"}
    assert 'backend="onnx"' in (out / "README.md").read_text()
    out = bundled(int8, "triton", tmp_path / "triton")
    assert "dynamic_batching" not in (out / "models/encoder/config.pbtxt").read_text(), "a batch changes its vectors"
    assert "depends a little on the others of its batch" in (out / "README.md").read_text()


def test_a_comparator_goes_where_it_can_run(compared: Path, tmp_path: Path) -> None:
    assert "onnx/comparator.onnx" in files(bundled(compared, "ort", tmp_path / "ort"))
    triton = bundled(compared, "triton", tmp_path / "triton")
    assert 'name: "logits" data_type: TYPE_FP32 dims: [ 3 ]' in (triton / "models/comparator/config.pbtxt").read_text()
    assert "comparator/1/model.xml" in files(bundled(compared, "openvino", tmp_path / "openvino"))


def test_no_graph_is_left_beside_the_ir(int8: Path, tmp_path: Path) -> None:
    assert files(bundled(int8, "openvino", tmp_path / "out")) == LAYOUTS["openvino"] | {"README.md"}


@pytest.mark.parametrize("target", TARGETS)
def test_what_a_runtime_would_serve_wrongly_is_refused(
    target: Target, concatenated: Path, compared: Path, tmp_path: Path
) -> None:
    if target in ("ort", "triton", "openvino"):
        assert bundled(concatenated, target, tmp_path / "out").is_dir()
        return
    with pytest.raises(InputError, match=f"{target} has no pooling like .* ort, triton, openvino can"):
        bundled(concatenated, target, tmp_path / "out")
    with pytest.raises(InputError, match=f"{target} cannot run the comparator .* ort, triton, openvino can"):
        bundled(compared, target, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_texts_cut_at_the_left_are_refused_where_the_runtime_cuts(graph: Path, tmp_path: Path) -> None:
    encoder = tiny_encoder("bert", dim=24, max_length=64)
    encoder.tokenizer.truncation_side = "left"
    write_artifact(tmp_path / "a", encoder, graph, ArtifactFacts("a", "fp32", "# a"))
    for target in ("tei", "fastembed", "transformers.js"):
        with pytest.raises(InputError, match=f"{target} cuts long texts at the right, this artifact at the left"):
            bundled(tmp_path / "a", target_of(target), tmp_path / "out")
    bundled(tmp_path / "a", "ort", tmp_path / "out")


def test_a_changed_artifact_is_refused(artifact: Path, tmp_path: Path) -> None:
    copied = Path(shutil.copytree(artifact, tmp_path / "copied"))
    (copied / "config.json").write_text("{}")
    with pytest.raises(InputError, match=r"config\.json was changed: its sha256 differs"):
        bundled(copied, "ort", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_is_there_is_kept_unless_forced(artifact: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    bundle_artifact(artifact, "ort", out)
    (out / "mine.txt").write_text("words")
    with pytest.raises(InputError, match=r"out is not empty; give --out another folder, or --force"):
        bundle_artifact(artifact, "fastembed", out)
    assert (out / "mine.txt").read_text() == "words"
    bundle_artifact(artifact, "fastembed", out, force=True)
    assert files(out) == LAYOUTS["fastembed"] | {"README.md"}


def test_places_that_would_destroy_something_are_refused(artifact: Path, tmp_path: Path) -> None:
    for out in (artifact / "served", artifact, artifact.parent):
        with pytest.raises(InputError, match="would lie in the artifact or hold it"):
            bundle_artifact(artifact, "ort", out, force=True)
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="file is a file; give --out a folder"):
        bundle_artifact(artifact, "ort", tmp_path / "file", force=True)


def test_a_conversion_that_fails_leaves_what_was_there(
    artifact: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = bundled(artifact, "ort", tmp_path / "out")
    (tmp_path / "openvino_convert.py").write_text("raise SystemExit('operator Foo is unknown')")
    monkeypatch.setattr(folder_module, "SCRIPTS", tmp_path)
    monkeypatch.setattr(folder_module.importlib.util, "find_spec", lambda name: object())
    with pytest.raises(InputError, match="openvino cannot convert .*: operator Foo is unknown; serve it by another"):
        bundle_artifact(artifact, "openvino", out, force=True)
    assert files(out) == LAYOUTS["ort"] | {"README.md"}
    assert {path.name for path in tmp_path.iterdir()} == {"out", "openvino_convert.py"}


def test_openvino_that_is_absent_is_named_with_its_extra(
    artifact: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder_module.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"openvino is not installed.*pip install 'decant\[openvino\]'"):
        bundle_artifact(artifact, "openvino", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_openvino_writes_the_ir(artifact: Path, tmp_path: Path) -> None:
    openvino = pytest.importorskip("openvino", reason="needs the extra openvino")
    bundle_artifact(artifact, "openvino", tmp_path / "out")
    model = openvino.Core().compile_model(
        str(tmp_path / "out/encoder/1/model.xml"), "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
    )
    ids = OnnxEncoder(artifact).tokenize(["a black cat"])
    vectors = model({"input_ids": np.array(ids), "attention_mask": np.ones((1, len(ids[0])), np.int64)})
    np.testing.assert_allclose(vectors["sentence_embedding"], OnnxEncoder(artifact).encode(["a black cat"]), atol=1e-5)


def test_an_unknown_runtime_is_named_with_those_there_are() -> None:
    assert target_of("transformers.js") == "transformers.js"
    with pytest.raises(InputError, match=r"--for vllm: choose one of ort, st, tei, fastembed, transformers\.js"):
        target_of("vllm")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shared")
    encoder = share_attention(tiny_encoder("bert", max_length=64), [[1, 2]])
    export_encoder(encoder, folder / "model.onnx")
    written = write_artifact(
        folder / "artifact", encoder, folder / "model.onnx", ArtifactFacts("shared", "fp32", "# shared")
    )
    assert not written.sentence_transformers
    return folder / "artifact"


def test_an_artifact_of_shared_maps_is_refused_where_weights_are_read(shared: Path) -> None:
    verify_artifact(shared)
    with pytest.raises(ValueError, match=r"model type `decant-shared-bert`"):
        SentenceTransformer(str(shared), device="cpu")


@pytest.mark.parametrize("target", TARGETS)
def test_shared_maps_go_out_as_a_graph_without_weights(target: Target, shared: Path, tmp_path: Path) -> None:
    out = bundled(shared, target, tmp_path / "out")
    assert not list(out.rglob("*.safetensors"))
    if (out / "config.json").is_file():
        config = read(out / "config.json")
        assert config["model_type"] == "bert"
        assert "shared_attention" not in config
    if target == "st":
        assert 'backend="onnx"' in (out / "README.md").read_text()
        assert "it knows no layers that share attention maps" in (out / "README.md").read_text()
    if (out / "onnx" / "model.onnx").is_file():
        np.testing.assert_array_equal(OnnxEncoder(out).encode(TEXTS), OnnxEncoder(shared).encode(TEXTS))


def test_a_stated_threshold_stands_in_its_code(tmp_path: Path) -> None:
    out = bundled(exported_artifact(tmp_path / "artifact", threshold=0.6), "ort", tmp_path / "out")
    assert "same = cosine >= 0.6000\n" in (out / "README.md").read_text(encoding="utf-8")
