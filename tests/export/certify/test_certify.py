from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from decant.errors import InputError
from decant.models.encoder import SentenceEncoder
from export.artifact.bundle import ArtifactFacts, read_manifest, verify_artifact, write_artifact
from export.certify import certify as certify_module
from export.certify.certificate import certificate_of, with_section
from export.certify.certify import Expected, certify, compare
from export.certify.certify_texts import certificate_texts
from export.certify.record import RuntimeRecord
from export.certify.runtime_environment import HARNESS, OUR_OWN, Prepared, default_cache, in_python, prepare
from export.certify.runtimes import Runtime, runtimes_of
from export.deploy.folder import SCRIPTS
from export.graphs.to_onnx import export_encoder
from students.sharing.share_maps import share_attention
from tests.tiny_models import tiny_encoder

CARD = "# Tiny\n\n## Limitations\n\n- few\n"


def here(runtime: Runtime) -> Prepared:
    """Every Python runtime under this interpreter."""
    return in_python((sys.executable,), runtime, OUR_OWN)


def few(tokenize: Any, max_length: int) -> list[str]:
    return certificate_texts(tokenize, max_length, 80)


def run(artifact: Path, *names: str, prepare: Any = here, min_cosine: float = 0.999) -> tuple[Any, list[str]]:
    told: list[str] = []
    return certify(artifact, runtimes_of(names), prepare, told.append, "a machine", min_cosine), told


@pytest.fixture(autouse=True)
def few_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    """80 texts instead of 500."""
    monkeypatch.setattr(certify_module, "certificate_texts", few)


@pytest.fixture
def copied(encoder: SentenceEncoder, graph: Path, tmp_path: Path) -> Path:
    """An artifact of its own, in a folder of its own."""
    folder = tmp_path / "artifacts" / "L4xD24-fp32"
    write_artifact(folder, encoder, graph, ArtifactFacts("L4xD24-fp32", "fp32", CARD))
    return folder


def spoil(folder: Path, code: str) -> Any:
    """A runtime whose script is this code."""
    script = folder / "spoiled.py"
    script.write_text(code)
    return lambda runtime: Prepared((sys.executable, str(HARNESS), str(script)), (sys.executable,), OUR_OWN)


def test_onnxruntime_runs_and_is_written_into_the_artifact(copied: Path) -> None:
    before = read_manifest(copied)
    records, told = run(copied, "onnxruntime")
    record = records["onnxruntime"]
    assert record.status == "agrees"
    assert record.texts == 80
    assert record.min_cosine is not None
    assert 0.99999 < record.min_cosine <= record.mean_cosine <= 1  # type: ignore[operator]
    assert record.ms_per_text is not None
    assert record.texts_per_second is not None
    assert set(record.versions) - {"onnxruntime", "onnxruntime-gpu"} == {"tokenizers", "numpy"}
    assert len(record.versions) >= 3
    assert (record.environment, record.machine, record.required_min_cosine) == (OUR_OWN, "a machine", 0.999)
    assert told[0] == "onnxruntime: running"
    assert told[1].startswith("onnxruntime: agrees, min cosine ")
    after = verify_artifact(copied)
    assert after.certificate == records
    assert json.loads((copied / "decant.json").read_text())["certificate"]["onnxruntime"]["status"] == "agrees"
    changed = {path for path in after.sha256 if after.sha256[path] != before.sha256[path]}
    assert changed == {"README.md"}
    card = (copied / "README.md").read_text()
    assert "| onnxruntime | agrees | " in card
    assert card.index("## Where it runs") < card.index("## Limitations")
    assert [path.name for path in copied.parent.iterdir()] == [copied.name], "no scratch folder is left"


def test_sentence_transformers_runs_on_torch(copied: Path) -> None:
    records, _ = run(copied, "sentence-transformers")
    assert records["sentence-transformers"].status == "agrees", records
    assert records["sentence-transformers"].min_cosine > 0.99999
    assert set(records["sentence-transformers"].versions) == {"sentence-transformers", "transformers", "torch"}


def test_rules_of_servers_are_checked_and_not_called_run(copied: Path) -> None:
    records, _ = run(copied, "text-embeddings-inference", "triton")
    assert {name: record.status for name, record in records.items()} == {
        "text-embeddings-inference": "rules hold", "triton": "rules hold",
    }  # fmt: skip
    assert records["triton"].note == "6 rules of its folder checked; the server itself was not started"
    assert (
        records["text-embeddings-inference"].note == "11 rules of its folder checked; the server itself was not started"
    )
    assert records["triton"].min_cosine is None


def test_earlier_results_of_other_runtimes_stay(copied: Path) -> None:
    first, _ = run(copied, "triton")
    second, _ = run(copied, "text-embeddings-inference")
    assert verify_artifact(copied).certificate == first | second
    card = (copied / "README.md").read_text()
    assert card.count("## Where it runs") == 1
    assert card.index("| triton |") < card.index("## Limitations\n\n- few\n")
    assert "| text-embeddings-inference | rules hold |" in card


def test_only_the_same_files_take_a_certificate_over(copied: Path, tmp_path: Path) -> None:
    run(copied, "triton")
    manifest = read_manifest(copied)
    card = manifest.sha256 | {"README.md": "0" * 64}
    graph = manifest.sha256 | {"onnx/model.onnx": "0" * 64}
    assert set(certificate_of(copied, manifest)) == {"triton"}
    assert certificate_of(copied, manifest.model_copy(update={"sha256": card})) == manifest.certificate
    assert certificate_of(copied, manifest.model_copy(update={"sha256": graph})) == {}
    assert certificate_of(tmp_path / "none", manifest) == {}
    (copied / "decant.json").write_text("{")
    assert certificate_of(copied, manifest) == {}


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("raise RuntimeError('no such operator in /secret/place/model.onnx')", "no such operator in model.onnx"),
        ("PACKAGES = ()\ndef load(request):\n    raise MemoryError('full')", "running it failed: MemoryError: full"),
        ("import sys; sys.exit(9)", "exit code 9, no message"),
    ],
)
def test_a_runtime_that_fails_is_reported_and_not_certified(
    code: str, reason: str, copied: Path, tmp_path: Path
) -> None:
    records, told = run(copied, "fastembed", prepare=spoil(tmp_path, code))
    record = verify_artifact(copied).certificate["fastembed"]
    assert record == records["fastembed"]
    assert record.status == "not run"
    assert reason in str(record.note)
    assert (record.min_cosine, record.ms_per_text, record.machine, record.versions) == (None, None, None, {})
    assert told[-1].startswith("fastembed: not run: ")
    assert "| fastembed | not run | – |" in (copied / "README.md").read_text()


def test_a_runtime_that_cannot_be_installed_does_not_stop_the_next(copied: Path) -> None:
    def no_network(runtime: Runtime) -> Prepared:
        if runtime.name == "fastembed":
            raise InputError("pip install fastembed==0.9.1 failed: ERROR: Could not find a version")
        return here(runtime)

    records, _ = run(copied, "fastembed", "triton", prepare=no_network)
    assert records["fastembed"].note == "pip install fastembed==0.9.1 failed: ERROR: Could not find a version"
    assert [records[name].status for name in ("fastembed", "triton")] == ["not run", "rules hold"]


def test_a_runtime_whose_vectors_differ_is_said_to(copied: Path, tmp_path: Path) -> None:
    code = (
        "import runpy\n"
        "PACKAGES = ()\n"
        "def load(request):\n"
        f"    encode = runpy.run_path({str(SCRIPTS / 'onnxruntime_python.py')!r})['load'](request)\n"
        "    return lambda texts, batch_size: encode([text[:40] for text in texts], batch_size)\n"
    )
    records, _ = run(copied, "fastembed", prepare=spoil(tmp_path, code))
    record = verify_artifact(copied).certificate["fastembed"]
    assert record.status == "differs"
    assert record.min_cosine is not None
    assert record.min_cosine < 0.999
    assert str(record.note).startswith("worst text ")


@pytest.mark.parametrize(("kind", "said"), [("bert", False), ("roberta", True)])
def test_a_runtime_that_strips_is_said_to_where_it_matters(kind: str, said: bool, tmp_path: Path) -> None:
    encoder = tiny_encoder(kind, max_length=64)
    export_encoder(encoder, tmp_path / "model.onnx")
    write_artifact(tmp_path / "a", encoder, tmp_path / "model.onnx", ArtifactFacts("a", "fp32", CARD))
    stripping = replace(runtimes_of(["onnxruntime"])[0], strips=True)
    records = certify(tmp_path / "a", [stripping], here, print, "a machine")
    assert records["onnxruntime"].status == "agrees"
    assert (records["onnxruntime"].note is not None) == said


def test_a_quantized_graph_is_compared_alone_and_not_by_torch(
    encoder: SentenceEncoder, int8_graph: Path, tmp_path: Path
) -> None:
    write_artifact(tmp_path / "a", encoder, int8_graph, ArtifactFacts("a", "int8-dynamic", CARD))
    records, _ = run(tmp_path / "a", "onnxruntime", "sentence-transformers")
    assert records["onnxruntime"].status == "agrees", "a batch would change its vectors"
    assert records["onnxruntime"].min_cosine > 0.99999
    assert records["sentence-transformers"].status == "cannot run"
    assert "torch cannot read a quantized graph" in str(records["sentence-transformers"].note)


def test_a_changed_artifact_is_refused(copied: Path) -> None:
    (copied / "config.json").write_text("{}")
    with pytest.raises(InputError, match=r"config\.json was changed: its sha256 differs"):
        run(copied, "triton")


def test_a_run_that_breaks_off_leaves_the_artifact_as_it_was(copied: Path) -> None:
    before = (copied / "decant.json").read_bytes()

    def broken(runtime: Runtime) -> Prepared:
        raise KeyboardInterrupt("stopped")

    with pytest.raises(KeyboardInterrupt, match="stopped"):
        run(copied, "triton", "fastembed", prepare=broken)
    assert (copied / "decant.json").read_bytes() == before
    assert [path.name for path in copied.parent.iterdir()] == [copied.name]


def test_comparison_by_hand() -> None:
    own = np.array([[1, 0], [0, 1], [0.6, 0.8]], np.float32)
    expected = Expected(["x", "y", "z"], own, 0.97)
    same = compare(own.ravel(), expected)
    assert (same.status, same.note) == ("agrees", None)
    assert same.min_cosine == pytest.approx(1)
    other = compare(np.array([1, 0, 0, 1, 0.8, 0.6], np.float32), expected)
    assert (other.status, other.note) == ("differs", "worst text 'z'")
    assert (other.min_cosine, other.mean_cosine) == (pytest.approx(0.96), pytest.approx(2.96 / 3))
    long = compare(3 * own.ravel(), expected)
    assert (long.status, long.note) == ("differs", "its vectors are of lengths 3.000 to 3.000, not 1")
    few = compare(own.ravel()[:4], expected)
    assert (few.status, few.note, few.min_cosine) == ("differs", "it gave 4 numbers, not 3 vectors of 2", None)
    broken = compare(np.array([1, 0, 0, np.nan, 1, 0], np.float32), expected)
    assert (broken.status, broken.note) == ("differs", "a number of its vectors is not finite")


def test_the_section_is_replaced_where_it_stands() -> None:
    record = RuntimeRecord(status="not run", date="2026-01-02T03:04:05+00:00", note="no | node")
    card = with_section("# A\n\ntext\n\n## Measured\n\nfast\n", {"x": record}, 64)
    assert card.startswith("# A\n\ntext\n\n## Measured\n\nfast\n\n## Where it runs\n\n| runtime | ")
    assert card.endswith("\n- x: no \\| node.\n")
    later = card + "\n## More\n\nwords\n"
    agreed = with_section(later, {"y": record}, 64)
    assert "\n| y | not run | – | – | – | – | – |\n" in agreed
    assert "| x |" not in agreed
    assert agreed.endswith("- y: no \\| node.\n\n## More\n\nwords\n")
    assert with_section(agreed, {"y": record}, 64) == agreed


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["onnxruntime", "sentence-transformers-onnx", "fastembed", "transformers.js", "openvino"]
)
def test_the_runtime_itself_agrees(name: str, copied: Path) -> None:
    records, _ = run(copied, name, prepare=lambda runtime: prepare(runtime, default_cache(), print))
    if records[name].status == "not run":
        pytest.skip(f"{name} is not to be had here: {records[name].note}")
    assert records[name].status == "agrees", records[name]


def test_shared_maps_are_run_where_the_graph_is(tmp_path: Path) -> None:
    shared = share_attention(tiny_encoder("bert", max_length=64), [[1, 2]])
    export_encoder(shared, tmp_path / "model.onnx")
    write_artifact(tmp_path / "a", shared, tmp_path / "model.onnx", ArtifactFacts("a", "fp32", CARD))
    names = ("onnxruntime", "sentence-transformers", "text-embeddings-inference")
    records, _ = run(tmp_path / "a", *names)
    assert [records[name].status for name in names] == ["agrees", "cannot run", "rules hold"]
    assert records["sentence-transformers"].note == (
        "torch knows no layers that share attention maps there; sentence-transformers-onnx runs them"
    )
