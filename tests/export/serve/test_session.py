from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from decant.errors import InputError
from decant.models.encoder import SentenceEncoder
from export.artifact.bundle import ArtifactFacts, write_artifact
from export.graphs.to_onnx import export_comparator, export_encoder
from export.serve.session import OnnxComparator, OnnxEncoder, open_session
from students.distill.comparator import Comparator
from tests.export.conftest import TEXTS
from tests.tiny_models import tiny_encoder


@pytest.fixture
def broken(artifact: Path, tmp_path: Path) -> Path:
    """A copy of the artifact, to be damaged."""
    return Path(shutil.copytree(artifact, tmp_path / "broken"))


def test_encodes_as_torch_does(artifact: Path, encoder: SentenceEncoder) -> None:
    vectors = OnnxEncoder(artifact, threads=1).encode(TEXTS, batch_size=3)
    assert vectors.dtype == np.float32
    assert (vectors * encoder.encode(TEXTS)).sum(axis=1).min() >= 0.99999


def test_states_its_sizes(artifact: Path) -> None:
    served = OnnxEncoder(artifact, threads=1)
    assert (served.dim, served.max_length) == (24, 64)


@pytest.mark.parametrize("kind", ["bert", "roberta"])
def test_tokens_are_the_tokenizers_own(kind: str, tmp_path: Path) -> None:
    encoder = tiny_encoder(kind, max_length=17)
    export_encoder(encoder, tmp_path / "model.onnx")
    graph = tmp_path / "model.onnx"
    write_artifact(tmp_path / "artifact", encoder, graph, ArtifactFacts("a", "fp32", "# a"))
    tokens = OnnxEncoder(tmp_path / "artifact").tokenize(TEXTS)
    assert tokens == encoder.tokenize(TEXTS)
    assert max(map(len, tokens)) == 17


def test_order_and_padding_change_nothing(artifact: Path) -> None:
    served = OnnxEncoder(artifact, threads=1)
    vectors = served.encode(TEXTS)
    alone = np.concatenate([served.encode([text]) for text in TEXTS])
    padded = np.concatenate([served.embed([ids], length=64) for ids in served.tokenize(TEXTS)])
    for other in (served.encode(TEXTS[::-1])[::-1], served.encode(TEXTS, batch_size=2), alone, padded):
        np.testing.assert_allclose(other, vectors, atol=1e-6)


def test_threads_side_by_side_change_nothing(artifact: Path) -> None:
    served, texts = OnnxEncoder(artifact, threads=2), TEXTS * 5
    np.testing.assert_allclose(served.encode(texts), OnnxEncoder(artifact, threads=1).encode(texts), atol=1e-6)
    np.testing.assert_allclose(served.encode(texts, batch_size=2), served.encode(texts), atol=1e-6)


def test_no_texts(artifact: Path) -> None:
    assert OnnxEncoder(artifact, threads=1).encode([]).shape == (0, 24)


def test_progress_counts_every_text_once(artifact: Path) -> None:
    finished: list[int] = []
    OnnxEncoder(artifact, threads=1).encode(TEXTS, batch_size=3, progress=finished.append)
    assert finished == [3, 3, 1]


def test_loads_neither_torch_nor_transformers() -> None:
    code = "import sys, export.serve.session; print(sorted({'torch', 'transformers', 'optimum'} & set(sys.modules)))"
    root = Path(__file__).parents[3]
    found = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_missing_graph(broken: Path) -> None:
    (broken / "onnx/model.onnx").unlink()
    with pytest.raises(InputError, match=r"model\.onnx is missing: there is no graph to run"):
        OnnxEncoder(broken)


def test_damaged_graph(broken: Path) -> None:
    graph = broken / "onnx/model.onnx"
    graph.write_bytes(graph.read_bytes()[:1000])
    with pytest.raises(InputError, match=r"model\.onnx cannot be run \(.*Protobuf parsing failed.*\); export the"):
        OnnxEncoder(broken)


def test_graph_of_something_else(broken: Path) -> None:
    export_comparator(Comparator(24, 1, hidden=8), broken / "onnx/model.onnx")
    with pytest.raises(InputError, match=r"is no encoder: it maps \['u', 'v'\] to \['logits'\]"):
        OnnxEncoder(broken)


def test_missing_tokenizer(broken: Path) -> None:
    (broken / "tokenizer.json").unlink()
    with pytest.raises(InputError, match=r"tokenizer\.json is missing: no artifact folder"):
        OnnxEncoder(broken)


def test_damaged_tokenizer(broken: Path) -> None:
    (broken / "tokenizer.json").write_text("{}")
    with pytest.raises(InputError, match=r"tokenizer\.json is no tokenizer"):
        OnnxEncoder(broken)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pad_token": None}, r"pad_token None is not in tokenizer\.json"),
        ({"pad_token": "[NONE]"}, r"pad_token '\[NONE\]' is not in tokenizer\.json"),
    ],
)
def test_unknown_padding_token(broken: Path, change: dict[str, object], message: str) -> None:
    path = broken / "tokenizer_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(InputError, match=message):
        OnnxEncoder(broken)


def test_no_length_stated(broken: Path) -> None:
    (broken / "tokenizer_config.json").unlink()
    (broken / "sentence_bert_config.json").unlink()
    with pytest.raises(InputError, match=r"tokenizer_config\.json states no model_max_length"):
        OnnxEncoder(broken)


def test_damaged_json(broken: Path) -> None:
    (broken / "tokenizer_config.json").write_text("{")
    with pytest.raises(InputError, match=r"tokenizer_config\.json is not JSON"):
        OnnxEncoder(broken)


def test_shorter_of_two_stated_lengths_holds(broken: Path) -> None:
    (broken / "sentence_bert_config.json").write_text('{"max_seq_length": 9}')
    served = OnnxEncoder(broken)
    assert served.max_length == 9
    assert max(map(len, served.tokenize(TEXTS))) == 9


def test_threads_below_one(artifact: Path) -> None:
    with pytest.raises(InputError, match="threads 0: at least 1 is needed"):
        OnnxEncoder(artifact, threads=0)


def test_absent_provider(artifact: Path) -> None:
    with pytest.raises(InputError, match="onnxruntime has no MoonProvider here; it has .*CPUExecutionProvider"):
        open_session(artifact / "onnx/model.onnx", providers=["MoonProvider"])


@pytest.fixture(scope="module")
def comparator_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A comparator of three outputs."""
    path = tmp_path_factory.mktemp("comparator") / "comparator.onnx"
    torch.manual_seed(0)
    export_comparator(Comparator(24, 3, hidden=8), path)
    return path


def test_comparator_in_batches_equals_one_run(comparator_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    served = OnnxComparator(comparator_path, threads=1)
    u, v = np.random.default_rng(0).normal(size=(2, 11, 24)).astype(np.float32)
    whole = served.logits(u, v)
    monkeypatch.setattr("export.serve.session.COMPARE_ROWS", 4)
    np.testing.assert_allclose(served.logits(u, v), whole, atol=1e-6)
    assert whole.shape == (11, 3)
    assert whole.dtype == np.float32


def test_comparator_without_pairs(comparator_path: Path) -> None:
    none = np.zeros((0, 24), np.float32)
    assert OnnxComparator(comparator_path).logits(none, none).shape == (0, 3)


def test_comparator_refuses_other_widths(comparator_path: Path) -> None:
    u = np.zeros((2, 25), np.float32)
    with pytest.raises(InputError, match=r"u \(2, 25\) and v \(2, 25\) must both be \[pairs, 24\]"):
        OnnxComparator(comparator_path).logits(u, u)


def test_comparator_refuses_another_graph(artifact: Path) -> None:
    with pytest.raises(InputError, match="is no comparator's graph: it maps"):
        OnnxComparator(artifact / "onnx/model.onnx")
