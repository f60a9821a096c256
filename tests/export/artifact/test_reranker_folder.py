from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest

from decant.errors import GateError, InputError
from export.artifact.bundle import verify_artifact
from export.artifact.manifest import GRAPH, MANIFEST
from export.artifact.reranker_folder import check_score_parity, verify_reranker, write_reranker
from export.graphs.to_onnx import export_cross_encoder, export_encoder
from export.serve.rerank_session import OnnxReranker
from export.serve.snippets import ANSWERS, QUERY, Tokens, onnxruntime_reranker
from students.sharing.share_maps import share_cross_encoder
from teachers.cross_encoders.cross_encoder import CrossEncoder, Pair
from teachers.cross_encoders.cross_folder import stated_activation
from tests.tiny_models import tiny_backbone_folder, tiny_encoder

PAIRS: list[Pair] = [("a cat", "the dog runs"), ("", "man"), ("red house in the park", ""), ("big water " * 20, "cat")]


def cross_encoder(root: Path, kind: str = "bert", outputs: int = 1) -> CrossEncoder:
    folder = tiny_backbone_folder(root / "backbone", kind, num_hidden_layers=4, initializer_range=0.3)
    return share_cross_encoder(CrossEncoder.from_backbone(folder, outputs, 24).eval(), [[1, 2]])


def written(root: Path, kind: str = "bert", outputs: int = 1) -> tuple[Path, CrossEncoder]:
    cross = cross_encoder(root, kind, outputs)
    export_cross_encoder(cross, root / "model.onnx")
    write_reranker(root / "reranker", cross, root / "model.onnx", name="tiny", card="# tiny")
    return root / "reranker", cross


@pytest.mark.parametrize(("kind", "outputs"), [("bert", 1), ("roberta", 3), ("distilbert", 1)])
def test_the_folder_scores_pairs_as_torch_does(kind: str, outputs: int, tmp_path: Path) -> None:
    folder, cross = written(tmp_path, kind, outputs)
    wanted = cross.score(PAIRS)
    session = OnnxReranker(folder, threads=1)
    assert session.outputs == outputs
    assert session.score(PAIRS).shape == ((4,) if outputs == 1 else (4, outputs))
    np.testing.assert_allclose(session.score(PAIRS, batch_size=2), wanted, atol=1e-5)
    assert check_score_parity(session, PAIRS, wanted, 1e-4) < 1e-5
    assert session.score([]).shape[0] == 0


def test_a_prompt_stands_before_the_first_text(tmp_path: Path) -> None:
    sentence_transformers = pytest.importorskip("sentence_transformers")
    plain, cross = written(tmp_path)
    cross.prompt = "red river "
    write_reranker(tmp_path / "prompted", cross, tmp_path / "model.onnx", name="tiny", card="# tiny")
    session = OnnxReranker(tmp_path / "prompted")
    assert session.prompt == "red river "
    asked = [("red river " + one, two) for one, two in PAIRS]
    np.testing.assert_allclose(session.score(PAIRS), OnnxReranker(plain).score(asked), atol=1e-6)
    np.testing.assert_allclose(session.score(PAIRS), cross.score(PAIRS), atol=1e-5)
    verify_reranker(tmp_path / "prompted")
    pytest.importorskip("optimum.onnxruntime")
    peer = sentence_transformers.CrossEncoder(str(tmp_path / "prompted"), backend="onnx", local_files_only=True)
    np.testing.assert_allclose(peer.predict(PAIRS), cross.score(PAIRS), atol=1e-5)


def test_the_scores_are_raw_whatever_its_teacher_puts_on_them(tmp_path: Path) -> None:
    _, cross = written(tmp_path)
    cross.activation = "sigmoid"
    for prompt in ("", "so "):
        cross.prompt = prompt
        write_reranker(tmp_path / "other", cross, tmp_path / "model.onnx", name="tiny", card="# tiny")
        assert stated_activation(tmp_path / "other") == "identity"


def test_what_its_scores_stand_for(tmp_path: Path) -> None:
    folder, cross = written(tmp_path, outputs=3)
    assert OnnxReranker(folder).classes == ()
    cross.name_classes(("no", "perhaps", "yes"))
    write_reranker(tmp_path / "named", cross, tmp_path / "model.onnx", name="tiny", card="# tiny")
    assert OnnxReranker(tmp_path / "named").classes == ("no", "perhaps", "yes")


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("prompt", ["", 'it\'s "red": '])
def test_the_cards_snippet_reads_pairs_as_the_session_does(side: str, prompt: str, tmp_path: Path) -> None:
    cross = cross_encoder(tmp_path)
    cross.tokenizer.truncation_side, cross.prompt = side, prompt
    export_cross_encoder(cross, tmp_path / "model.onnx")
    write_reranker(tmp_path / "reranker", cross, tmp_path / "model.onnx", name="tiny", card="# tiny")
    long = "big water " * 20
    snippet = (
        onnxruntime_reranker(Tokens(pad_id=1), prompt, 1).replace(QUERY, long).replace(ANSWERS, '["a cat", "the dog"]')
    )
    snippet = snippet.replace('"tokenizer.json"', repr(str(tmp_path / "reranker" / "tokenizer.json")))
    snippet = snippet.replace('"onnx/model.onnx"', repr(str(tmp_path / "reranker" / GRAPH)))
    found: dict[str, np.ndarray] = {}
    exec(snippet, found)  # noqa: S102
    expected = OnnxReranker(tmp_path / "reranker").score([(long, "a cat"), (long, "the dog")])
    np.testing.assert_allclose(found["logits"][:, 0], expected, atol=1e-6)


def test_pairs_side_by_side_change_nothing(tmp_path: Path) -> None:
    folder, _ = written(tmp_path)
    many = PAIRS * 40
    found = OnnxReranker(folder, threads=2).score(many)
    np.testing.assert_allclose(found, OnnxReranker(folder, threads=1).score(many), atol=1e-6)


def test_one_map_a_group_and_no_weights_that_another_could_load_wrongly(tmp_path: Path) -> None:
    folder, _ = written(tmp_path)
    nodes = onnx.load(folder / GRAPH).graph.node
    manifest = verify_reranker(folder)
    assert sum(node.op_type == "Softmax" for node in nodes) == manifest.maps == 3
    assert not list(folder.rglob("*.safetensors"))
    assert json.loads((folder / "config.json").read_text())["model_type"] == "bert"
    assert "shared_attention" not in json.loads((folder / "config.json").read_text())


def test_parity_is_a_gate(tmp_path: Path) -> None:
    folder, cross = written(tmp_path)
    session, wanted = OnnxReranker(folder, threads=1), cross.score(PAIRS)
    wanted[2] += 0.01
    with pytest.raises(GateError, match=r"a score is 1\.00e-02 from torch's.*'red house in the park / '"):
        check_score_parity(session, PAIRS, wanted, 1e-4)
    with pytest.raises(InputError, match=r"the reference is \[3\], not \[4\]"):
        check_score_parity(session, PAIRS, wanted[:3], 1e-4)


def test_a_changed_folder_or_another_form_is_refused(tmp_path: Path) -> None:
    folder, cross = written(tmp_path)
    with pytest.raises(InputError, match="is a re-ranker, which scores pairs and gives no vectors"):
        verify_artifact(folder)
    (folder / "README.md").write_text("other")
    with pytest.raises(InputError, match=r"README\.md was changed"):
        verify_reranker(folder)
    (folder / MANIFEST).write_text('{"form": "reranker"}')
    with pytest.raises(InputError, match=r"decant\.json: schema: Field required; export the re-ranker again"):
        verify_reranker(folder)
    (folder / MANIFEST).write_text("[" * 100_000)
    with pytest.raises(InputError, match=r"decant\.json: the file: Invalid JSON: recursion limit exceeded"):
        verify_artifact(folder)
    (folder / MANIFEST).unlink()
    with pytest.raises(InputError, match="is no re-ranker of Decant"):
        verify_reranker(folder)
    with pytest.raises(InputError, match="is no re-ranker of Decant, so it is not replaced"):
        write_reranker(folder, cross, tmp_path / "model.onnx", name="tiny", card="# tiny")


def test_an_encoders_graph_is_refused(tmp_path: Path) -> None:
    cross = cross_encoder(tmp_path)
    export_encoder(tiny_encoder(), tmp_path / "encoder.onnx")
    with pytest.raises(InputError, match="is no cross-encoder: it maps"):
        write_reranker(tmp_path / "reranker", cross, tmp_path / "encoder.onnx", name="tiny", card="# tiny")
    assert not (tmp_path / "reranker").exists()


def test_sentence_transformers_reads_it(tmp_path: Path) -> None:
    sentence_transformers = pytest.importorskip("sentence_transformers")
    pytest.importorskip("optimum.onnxruntime")
    folder, cross = written(tmp_path)
    peer = sentence_transformers.CrossEncoder(str(folder), backend="onnx", local_files_only=True)
    np.testing.assert_allclose(peer.predict(PAIRS), cross.score(PAIRS), atol=1e-5)
