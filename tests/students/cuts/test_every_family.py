"""Students of every family and module: each exit is its cut, and every reader of a cut's folder gives its vectors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer

from decant.models.encoder import SentenceEncoder
from decant.models.families import FAMILIES
from export.artifact.bundle import ArtifactFacts, write_artifact
from export.graphs.to_onnx import export_encoder
from export.serve.session import OnnxEncoder
from students.cuts.cut import cut
from students.nesting.exits import encode_exits, unit_slice
from tests.model_zoo import KINDS, TEXTS, Kind
from tests.model_zoo.followed import NO_START, NOT_FOLLOWED

EVERY_RUN = {
    "roberta-padding-0", "modernbert", "t5", "qwen3", "gemma3-text-bidirectional", "gpt2", "pooling-mean-and-cls",
    "pooling-max-right", "dense-twice-normalize", "dense-on-tokens", "layer-norm", "do-lower-case", "prompt-default",
    "no-special-tokens", "embedding-gemma", "labse",
}  # fmt: skip
STARTS = [one for one in KINDS if one.name not in NOT_FOLLOWED | NO_START and "include-prompt" not in one.name]
SOME = [text for text in TEXTS if text.strip()][:24]


def least(first: NDArray[np.float32], second: NDArray[np.float32]) -> float:
    return float(np.einsum("td,td->t", first, second).min())


@pytest.mark.parametrize(
    "kind",
    [pytest.param(one, id=one.name, marks=[] if one.name in EVERY_RUN else [pytest.mark.slow]) for one in STARTS],
)
def test_a_cut_is_the_same_to_every_reader(kind: Kind, tmp_path: Path) -> None:
    kind.build(tmp_path / "start")
    encoder = SentenceEncoder.load(tmp_path / "start")
    if encoder.prompts.any and not encoder.include_prompt:
        pytest.skip("a prompt that is left out of the pooling is refused of a student")
    exits = encode_exits(encoder, SOME)
    whole = encoder.encode(SOME)
    assert least(unit_slice(exits[-1], encoder.dim), whole) > 0.99999, "the last exit is the encoder itself"
    for depth in range(1, encoder.layers):
        assert least(unit_slice(exits[depth - 1], encoder.dim), cut(encoder, depth).encode(SOME)) > 0.99999

    smaller = cut(encoder, max(1, encoder.layers - 1), max(1, encoder.dim // 2))
    expected = smaller.encode(SOME)
    export_encoder(smaller, tmp_path / "model.onnx")
    artifact = tmp_path / "artifact"
    write_artifact(artifact, smaller, tmp_path / "model.onnx", ArtifactFacts("cut", "fp32", "# cut"))
    assert least(SentenceEncoder.load(artifact).encode(SOME), expected) > 0.99999
    served = OnnxEncoder(artifact)
    assert least(served.encode(SOME), expected) > 0.99999
    alone = np.concatenate([served.encode([text]) for text in SOME])
    assert least(alone, expected) > 0.99999, "padding changes nothing"
    smaller.for_cosine().save(tmp_path / "student")
    for folder in (artifact, tmp_path / "student"):
        peer = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
        found = np.concatenate([peer.encode([text]) for text in SOME])
        assert least(found, expected) > 0.99999
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-4)


def test_every_family_that_learns_has_a_kind() -> None:
    tried = {name.replace("_", "-") for name in FAMILIES if FAMILIES[name].learns}
    names = "\n".join(one.name for one in STARTS)
    assert not [name for name in tried if name not in names]


def test_gradients_reach_the_modules_behind_the_pooling(tmp_path: Path) -> None:
    next(one for one in KINDS if one.name == "dense-twice-normalize").build(tmp_path / "start")
    encoder = SentenceEncoder.load(tmp_path / "start", for_training=True)
    vectors = encoder(torch.tensor([[2, 5, 6, 3]]), torch.ones(1, 4, dtype=torch.int64))[1]
    vectors.sum().backward()
    assert all(weight.grad is not None and weight.grad.any() for weight in encoder.tail.parameters())


def test_a_merged_adapter_leaves_every_weight_to_be_trained(tmp_path: Path) -> None:
    next(one for one in KINDS if one.name == "lora").build(tmp_path / "start")
    encoder = SentenceEncoder.load(tmp_path / "start", for_training=True)
    assert all(weight.requires_grad for weight in encoder.parameters())
