from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from decant.errors import GateError
from export.artifact.bundle import read_manifest
from export.deploy.folder import bundle_artifact
from export.deploy.rules import hold
from export.deploy.tei import tei_rules, with_sizes


def edited(path: str, change: Callable[[dict[str, Any]], None]) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        content = json.loads((folder / path).read_text())
        change(content)
        (folder / path).write_text(json.dumps(content))

    return apply


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: shutil.copyfile(folder / "onnx/model.onnx", folder / "model.onnx"), "no model.onnx"),
        (edited("1_Pooling/config.json", lambda c: c.pop("pooling_mode_cls_token")), "as true and false values"),
        (edited("1_Pooling/config.json", lambda c: c.update(pooling_mode_mean_tokens=False)), "has the pooling"),
        (edited("sentence_bert_config.json", lambda c: c.update(max_seq_length=63)), "is that of the artifact"),
        (edited("config.json", lambda c: c.update(max_position_embeddings=63)), "fits the model's positions"),
        (edited("config.json", lambda c: c.update(model_type="roberta", max_position_embeddings=65)), "fits the"),
        (edited("config.json", lambda c: c.pop("hidden_size")), "names hidden_size and num_hidden_layers"),
        (edited("config.json", lambda c: c.update(architectures=["BertForSequenceClassification"])), "no classifiers"),
        (edited("config.json", lambda c: c.pop("architectures")), "no classifiers"),
        (edited("tokenizer_config.json", lambda c: c.update(padding_side="left")), "padded at the right"),
    ],
)  # fmt: skip
def test_each_rule_finds_its_breach(
    damage: Callable[[Path], object], message: str, artifact: Path, tmp_path: Path
) -> None:
    bundle_artifact(artifact, "tei", tmp_path / "tei")
    manifest = read_manifest(artifact)
    assert hold("tei", tei_rules(tmp_path / "tei", manifest)) == 11
    damage(tmp_path / "tei")
    with pytest.raises(GateError, match=message):
        hold("tei", tei_rules(tmp_path / "tei", manifest))


def test_another_graph_is_found(artifact: Path, tmp_path: Path) -> None:
    bundle_artifact(artifact, "tei", tmp_path / "tei")
    manifest = read_manifest(artifact).model_copy(update={"dim": 32})
    with pytest.raises(GateError, match=r"the graph gives sentence_embedding, float32 \[batch, 32\]"):
        hold("tei", tei_rules(tmp_path / "tei", manifest))


def test_distilberts_sizes_get_the_names_that_are_read() -> None:
    assert with_sizes({"dim": 32, "n_layers": 2}) == {
        "dim": 32, "n_layers": 2, "hidden_size": 32, "num_hidden_layers": 2,
    }  # fmt: skip
    assert with_sizes({"hidden_size": 8, "num_hidden_layers": 1}) == {"hidden_size": 8, "num_hidden_layers": 1}
