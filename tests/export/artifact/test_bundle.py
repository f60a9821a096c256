from __future__ import annotations

import hashlib
import json
import shutil
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer
from tokenizers import Tokenizer
from transformers import AutoTokenizer

from decant.errors import InputError
from decant.models.encoder import SentenceEncoder
from decant.models.pooling import PoolingKind
from export.artifact.bundle import ArtifactFacts, Manifest, read_manifest, verify_artifact, write_artifact
from export.graphs.to_onnx import export_comparator, export_encoder
from export.serve.session import OnnxEncoder
from students.distill.comparator import Comparator
from tests.export.conftest import TEXTS
from tests.tiny_models import tiny_encoder

CONTRACT = {
    "1_Pooling/config.json", "2_Normalize/config.json", "README.md", "config.json", "decant.json",
    "config_sentence_transformers.json", "model.safetensors", "modules.json", "onnx/model.onnx",
    "sentence_bert_config.json", "special_tokens_map.json", "tokenizer.json", "tokenizer_config.json",
}  # fmt: skip


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def copied(artifact: Path, tmp_path: Path) -> Path:
    """A copy of the artifact, to be damaged."""
    return Path(shutil.copytree(artifact, tmp_path / "copied"))


def test_every_file_of_the_contract_is_there(artifact: Path) -> None:
    assert files(artifact) >= CONTRACT
    assert not [path for path in artifact.parent.iterdir() if path.name.startswith(".")], "no scratch folder is left"


def test_manifest(artifact: Path, encoder: SentenceEncoder) -> None:
    manifest = read_manifest(artifact)
    facts = manifest.model_dump(exclude={"sha256", "versions", "created", "parameters"})
    assert facts == {
        "schema": 1, "name": "L4xD24-fp32", "precision": "fp32", "pooling": "mean", "layers": 4, "dim": 24,
        "max_length": 64, "recipe_sha256": None, "metrics": {}, "parity": None, "certificate": {},
        "sentence_transformers": True, "prompts": {}, "default_prompt": None, "similarity": "cosine",
        "pools_last": True, "classes": (),
    }  # fmt: skip
    assert manifest.parameters == sum(tensor.numel() for tensor in encoder.state_dict().values())
    assert set(manifest.versions) == {"decant", "onnx", "onnxruntime", "torch", "transformers"}
    created = datetime.fromisoformat(manifest.created)
    assert timedelta(0) <= datetime.now(UTC) - created < timedelta(hours=1)
    assert set(manifest.sha256) == files(artifact) - {"decant.json"}
    for path, digest in manifest.sha256.items():
        assert hashlib.sha256((artifact / path).read_bytes()).hexdigest() == digest


def test_manifest_is_sorted_json_with_a_newline(artifact: Path) -> None:
    text = (artifact / "decant.json").read_text(encoding="utf-8")
    assert text == json.dumps(json.loads(text), indent=2, sort_keys=True) + "\n"


def test_figures_are_kept(encoder: SentenceEncoder, graph: Path, tmp_path: Path) -> None:
    metrics = {"stsb/test": {"spearman": 0.8203, "ci95": [0.81, 0.83]}}
    parity = {"texts": 500, "min_cosine": 0.999999}
    written = write_artifact(
        tmp_path / "a", encoder, graph, ArtifactFacts("a", "fp32", "# a", "ab" * 32, metrics, parity)
    )  # fmt: skip
    assert read_manifest(tmp_path / "a") == written
    assert read(tmp_path / "a/decant.json")["parity"] == parity
    assert (written.metrics, written.recipe_sha256) == (metrics, "ab" * 32)


def test_tokenizer_files_agree(artifact: Path, encoder: SentenceEncoder) -> None:
    config = read(artifact / "tokenizer_config.json")
    assert (config["model_max_length"], config["pad_token"], config["padding_side"]) == (64, "[PAD]", "right")
    assert config["tokenizer_class"] == "PreTrainedTokenizerFast"
    assert not {"is_local", "local_files_only", "max_length"} & set(config)
    tokens = {role: f"[{role[:-6].upper()}]" for role in read(artifact / "special_tokens_map.json")}
    assert read(artifact / "special_tokens_map.json") == tokens
    assert len(tokens) == 5
    alone = Tokenizer.from_file(str(artifact / "tokenizer.json"))
    assert alone.padding is None
    assert [encoding.ids for encoding in alone.encode_batch(TEXTS)] == encoder.tokenize(TEXTS)
    assert AutoTokenizer.from_pretrained(artifact)(TEXTS, truncation=True)["input_ids"] == encoder.tokenize(TEXTS)


def test_pooling_is_stated_for_old_and_new_readers(artifact: Path) -> None:
    pooling = read(artifact / "1_Pooling/config.json")
    assert (pooling["pooling_mode"], pooling["pooling_mode_mean_tokens"]) == ("mean", True)
    assert sum(value is True for key, value in pooling.items() if key.startswith("pooling_mode_")) == 1
    assert read(artifact / "sentence_bert_config.json")["max_seq_length"] == 64


@pytest.mark.parametrize(("kind", "pooling", "dim"), [("bert", "mean", 24), ("roberta", "cls", None)])
def test_all_readers_give_the_same_vectors(kind: str, pooling: PoolingKind, dim: int | None, tmp_path: Path) -> None:
    encoder = tiny_encoder(kind, pooling, dim=dim, max_length=64)
    export_encoder(encoder, tmp_path / "model.onnx")
    folder = tmp_path / "artifact"
    write_artifact(folder, encoder, tmp_path / "model.onnx", ArtifactFacts("a", "fp32", "# a"))
    expected = encoder.encode(TEXTS)
    reader = SentenceTransformer(str(folder), device="cpu")
    assert reader.max_seq_length == 64
    np.testing.assert_allclose(reader.encode(TEXTS), expected, atol=1e-5)
    np.testing.assert_allclose(OnnxEncoder(folder).encode(TEXTS), expected, atol=1e-5)
    np.testing.assert_allclose(SentenceEncoder.load(folder).encode(TEXTS), expected, atol=1e-5)


def test_pooling_unknown_to_sentence_transformers(tmp_path: Path) -> None:
    encoder = tiny_encoder("bert", "concat_top_mean")
    export_encoder(encoder, tmp_path / "model.onnx")
    folder = tmp_path / "artifact"
    write_artifact(folder, encoder, tmp_path / "model.onnx", ArtifactFacts("a", "fp32", "# a"))
    assert not (folder / "modules.json").exists()
    assert verify_artifact(folder).sentence_transformers is False
    np.testing.assert_allclose(OnnxEncoder(folder).encode(TEXTS), encoder.encode(TEXTS), atol=1e-5)


def test_comparator_is_bundled(encoder: SentenceEncoder, graph: Path, tmp_path: Path) -> None:
    comparator = tmp_path / "c.onnx"
    export_comparator(Comparator(24, 1, hidden=8), comparator)
    folder, facts = tmp_path / "a", ArtifactFacts("a", "fp32", "# a")
    write_artifact(folder, encoder, graph, facts, comparator_graph=comparator)
    assert "onnx/comparator.onnx" in verify_artifact(folder).sha256
    export_comparator(Comparator(25, 1, hidden=8), comparator)
    with pytest.raises(InputError, match=r"c\.onnx does not take vectors of 24 dimensions"):
        write_artifact(folder, encoder, graph, facts, comparator_graph=comparator)
    assert "onnx/comparator.onnx" in verify_artifact(folder).sha256, "the artifact before it still stands"


def test_nothing_names_the_machine_and_all_may_read(artifact: Path) -> None:
    for path in artifact.rglob("*"):
        assert path.stat().st_mode & stat.S_IRGRP == artifact.stat().st_mode & stat.S_IRGRP
        if path.suffix in {".json", ".md"}:
            assert str(artifact.parent) not in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["onnx/model.onnx", "model.safetensors", "tokenizer.json", "README.md"])
def test_flipped_byte_is_found(copied: Path, name: str) -> None:
    content = bytearray((copied / name).read_bytes())
    content[len(content) // 2] ^= 1
    (copied / name).write_bytes(content)
    with pytest.raises(InputError, match=rf"{name} was changed: its sha256 differs"):
        verify_artifact(copied)


@pytest.mark.parametrize("name", ["onnx/model.onnx", "2_Normalize/config.json", "special_tokens_map.json"])
def test_missing_file_is_found(copied: Path, name: str) -> None:
    (copied / name).unlink()
    with pytest.raises(InputError, match=rf"{name} is missing: the artifact is incomplete"):
        verify_artifact(copied)


def test_file_that_neither_is_nor_is_listed_is_found(copied: Path) -> None:
    manifest = read(copied / "decant.json")
    del manifest["sha256"]["1_Pooling/config.json"]
    (copied / "decant.json").write_text(json.dumps(manifest))
    (copied / "1_Pooling/config.json").unlink()
    with pytest.raises(InputError, match=r"1_Pooling/config\.json is missing: the artifact is incomplete"):
        verify_artifact(copied)


def test_extra_file_is_found(copied: Path) -> None:
    (copied / "onnx" / "extra.bin").write_bytes(b"x")
    with pytest.raises(InputError, match=r"onnx/extra\.bin is not listed in decant\.json"):
        verify_artifact(copied)


def test_intact_artifact_passes(copied: Path) -> None:
    assert isinstance(verify_artifact(copied), Manifest)


def test_folder_without_manifest(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"is no artifact of Decant: decant\.json is missing"):
        read_manifest(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", r"decant\.json: the file: Invalid JSON"),
        ("{}", r"decant\.json: schema: Field required; export the artifact again"),
        ('{"schema": 2}', r"decant\.json: schema: Input should be less than or equal to 1"),
    ],
)
def test_manifest_of_another_layout(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "decant.json").write_text(content)
    with pytest.raises(InputError, match=message):
        read_manifest(tmp_path)


def test_artifact_is_replaced_whole(copied: Path, encoder: SentenceEncoder, graph: Path) -> None:
    (copied / "onnx" / "stale.onnx").write_bytes(b"x")
    write_artifact(copied, encoder, graph, ArtifactFacts("again", "fp32", "# again"))
    assert verify_artifact(copied).name == "again"
    assert [path.name for path in copied.parent.iterdir()] == ["copied"]


def test_other_folders_are_not_replaced(tmp_path: Path, encoder: SentenceEncoder, graph: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("words")
    with pytest.raises(InputError, match="is no artifact of Decant, so it is not replaced"):
        write_artifact(tmp_path / "mine", encoder, graph, ArtifactFacts("a", "fp32", "# a"))
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "words"


def test_graph_of_another_width_leaves_nothing(tmp_path: Path, graph: Path) -> None:
    other = tiny_encoder("bert", dim=8, max_length=64)
    with pytest.raises(InputError, match="gives 24 dimensions where the encoder has 8"):
        write_artifact(tmp_path / "a", other, graph, ArtifactFacts("a", "fp32", "# a"))
    assert list(tmp_path.iterdir()) == []


def test_missing_graph_leaves_nothing(tmp_path: Path, encoder: SentenceEncoder) -> None:
    with pytest.raises(InputError, match=r"none\.onnx is missing; export the graph first"):
        write_artifact(tmp_path / "a", encoder, tmp_path / "none.onnx", ArtifactFacts("a", "fp32", "# a"))
    assert list(tmp_path.iterdir()) == []
