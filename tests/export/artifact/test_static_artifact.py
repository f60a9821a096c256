"""Static students as artifacts: written, verified, encoded, bundled, and loaded by those who read their tables."""

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from decant import Encoder
from decant.errors import InputError
from decant.models.prompts import Prompts
from decant.models.table_folder import StaticTable
from export.artifact.bundle import ArtifactFacts, Manifest, verify_artifact, write_artifact
from export.certify import certify as certify_module
from export.certify.certify_texts import certificate_texts
from export.certify.runtime_environment import OUR_OWN, in_python
from export.certify.runtimes import runtimes_of
from export.deploy.folder import bundle_artifact
from export.graphs.static_graph import export_static
from export.quantize.static_table import stored_table, take_rows
from pipeline.cli.app import app
from pipeline.cli.encode_verb import encode_lines
from pipeline.measure.verify_parity import verify_parity
from tests.tiny_tables import PRECISIONS, by_hand, tiny_table

TEXTS = ["A man is playing a guitar.", "", "two dogs ☕ run", "word " * 99]
ROOT = Path(__file__).parents[3]


def artifact(folder: Path, precision: str = "int8", table: StaticTable | None = None) -> Manifest:
    """A tiny static student's; in the folder's place, and its graph beside it."""
    table = table or tiny_table(prompts=Prompts({"query": "the ", "document": ""}, "document"))
    graph = folder.with_suffix(".onnx")
    export_static(stored_table(table.rows, precision), graph, table.max_length)
    return write_artifact(folder, table, graph, ArtifactFacts(folder.name, precision, "# Tiny\n"))  # type: ignore[arg-type]


@pytest.mark.parametrize("precision", PRECISIONS)
def test_an_artifact_says_what_it_is_and_verifies(precision: str, tmp_path: Path) -> None:
    manifest = artifact(tmp_path / "a", precision)
    assert manifest == verify_artifact(tmp_path / "a")
    assert manifest.static
    assert (manifest.layers, manifest.dim, manifest.pooling, manifest.max_length) == (0, 32, "mean", 24)
    assert manifest.parameters == tiny_table().rows.size
    assert manifest.sentence_transformers == (precision != "int4")
    assert manifest.default_prompt == "document"
    facts = verify_parity(tmp_path / "a")
    assert facts["min_cosine"] > 0.999999
    assert facts["batch_invariance"] > 0.999999


@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_door_and_the_verb_give_the_vectors(precision: str, tmp_path: Path) -> None:
    artifact(tmp_path / "a", precision)
    rows = take_rows(stored_table(tiny_table().rows, precision), slice(None))
    expected = by_hand(tiny_table(), rows, TEXTS)
    encoder = Encoder(tmp_path / "a")
    assert np.abs(encoder.encode(TEXTS) - expected).max() < 1e-6
    assert (encoder.dim, encoder.max_length, encoder.prompts) == (32, 24, {"query": "the ", "document": ""})
    out = io.BytesIO()
    encode_lines(tmp_path / "a", io.BytesIO("\n".join(TEXTS).encode()), out, "npy")
    assert np.abs(np.load(io.BytesIO(out.getvalue())) - expected).max() < 1e-6
    with pytest.raises(InputError, match="gives float32 vectors, not binary"):
        encode_lines(tmp_path / "a", io.BytesIO(b"a"), io.BytesIO(), "npy", vectors="binary")


def test_the_door_waits_for_no_runtime(tmp_path: Path) -> None:
    artifact(tmp_path / "a")
    code = (
        "import sys\nsys.modules |= dict.fromkeys(('onnxruntime', 'onnx', 'torch', 'transformers', 'safetensors'))\n"
        f"from decant import Encoder\nprint(Encoder({str(tmp_path / 'a')!r}).encode(['a dog']).shape)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "(1, 32)", done.stderr


def test_a_graph_of_another_table_is_refused(tmp_path: Path) -> None:
    export_static(stored_table(tiny_table(seed=1).rows, "fp32"), tmp_path / "a.onnx", 24)
    with pytest.raises(InputError, match="gives other vectors than the table"):
        write_artifact(tmp_path / "a", tiny_table(), tmp_path / "a.onnx", ArtifactFacts("a", "fp32", "# a"))
    assert not (tmp_path / "a").exists()


def test_a_precision_of_layers_is_refused(tmp_path: Path) -> None:
    export_static(stored_table(tiny_table().rows, "fp32"), tmp_path / "a.onnx", 24)
    with pytest.raises(InputError, match="no precision int8-row"):
        write_artifact(tmp_path / "a", tiny_table(), tmp_path / "a.onnx", ArtifactFacts("a", "int8-row", "# a"))


def test_a_changed_table_is_found(tmp_path: Path) -> None:
    artifact(tmp_path / "a")
    path = tmp_path / "a" / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"\x01")
    with pytest.raises(InputError, match=r"model\.safetensors was changed"):
        Encoder(tmp_path / "a")


@pytest.mark.parametrize("precision", PRECISIONS[:3])
def test_the_bundle_for_sentence_transformers_holds_the_table_alone(precision: str, tmp_path: Path) -> None:
    artifact(tmp_path / "a", precision)
    bundle_artifact(tmp_path / "a", "st", tmp_path / "st")
    assert not (tmp_path / "st" / "onnx").exists()
    model2vec = pytest.importorskip("model2vec").StaticModel.from_pretrained(str(tmp_path / "st"))
    theirs = pytest.importorskip("sentence_transformers").SentenceTransformer(str(tmp_path / "st"), device="cpu")
    text, own = "the dog runs", Encoder(tmp_path / "a")
    assert float(own.encode([text])[0] @ model2vec.encode(text)) > 0.999
    assert float(own.encode([text])[0] @ theirs.encode(text)) > 0.999
    query = theirs.encode("dog runs", prompt_name="query")
    assert float(own.encode(["dog runs"], prompt="query")[0] @ query) > 0.999
    readme = (tmp_path / "st" / "README.md").read_text()
    assert "StaticModel.from_pretrained" in readme
    assert "onnx" not in readme


@pytest.mark.parametrize("precision", ["int8", "int4"])
def test_other_bundles_are_written(precision: str, tmp_path: Path) -> None:
    artifact(tmp_path / "a", precision)
    for target in ("ort", "tei", "fastembed", "transformers.js", "triton"):
        bundle_artifact(tmp_path / "a", target, tmp_path / target)  # type: ignore[arg-type]
    if precision == "int4":
        with pytest.raises(InputError, match="read no table in 4 bits"):
            bundle_artifact(tmp_path / "a", "st", tmp_path / "st")


def certified(folder: Path, monkeypatch: pytest.MonkeyPatch, *names: str) -> dict[str, tuple[str, str]]:
    monkeypatch.setattr(
        certify_module, "certificate_texts", lambda tokenize, max_length: certificate_texts(tokenize, max_length, 60)
    )
    prepare = lambda runtime: in_python((sys.executable,), runtime, OUR_OWN)  # noqa: E731
    records = certify_module.certify(folder, runtimes_of(names), prepare, lambda line: None, "a machine", 0.999)
    return {name: (record.status, record.note or "") for name, record in records.items()}


@pytest.mark.parametrize("precision", PRECISIONS[1:])
def test_those_who_read_the_table_agree(precision: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("model2vec")
    artifact(tmp_path / "a", precision)
    names = ("onnxruntime", "sentence-transformers", "sentence-transformers-onnx", "model2vec", "triton")
    said = certified(tmp_path / "a", monkeypatch, *names)
    assert said["onnxruntime"] == ("agrees", "")
    assert said["triton"][0] == "rules hold"
    assert said["sentence-transformers-onnx"][0] == "cannot run"
    for name in ("sentence-transformers", "model2vec"):
        status, note = said[name]
        if precision == "int4":
            assert status == "cannot run"
            assert "no table in 4 bits" in note
        else:
            assert status == "agrees"
            assert "left out without a known token" in note
    verify_artifact(tmp_path / "a")


def test_texts_that_model2vec_cuts_by_their_characters_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("model2vec")
    artifact(tmp_path / "a", "fp32", tiny_table("roberta"))
    status, note = certified(tmp_path / "a", monkeypatch, "model2vec")["model2vec"]
    assert (status, "left out which it cuts after 24 characters" in note) == ("agrees", True)


def test_model2vec_reads_no_layers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.tiny_artifacts import exported_artifact

    status, note = certified(exported_artifact(tmp_path / "a"), monkeypatch, "model2vec")["model2vec"]
    assert (status, "tables of token vectors alone" in note) == ("cannot run", True)


def test_verify_says_so_on_the_command_line(tmp_path: Path) -> None:
    artifact(tmp_path / "a")
    done = CliRunner().invoke(app, ["verify", str(tmp_path / "a")])
    assert done.exit_code == 0, done.output
    assert "min cosine to torch 1.000000" in done.output
