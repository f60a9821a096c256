from pathlib import Path

import pytest

from export.serve.session import OnnxEncoder
from pipeline.measure import verify_parity as module
from pipeline.measure.verify_parity import probe_lengths, verify_parity
from tests.tiny_artifacts import exported_artifact


def test_lengths_are_every_short_one_and_some_up_to_the_longest() -> None:
    assert probe_lengths(3) == [1, 2, 3]
    assert probe_lengths(16) == list(range(1, 17))
    lengths = probe_lengths(512)
    assert (lengths[:16], lengths[-1], len(lengths)) == (list(range(1, 17)), 512, 32)
    steps = [after - before for before, after in zip(lengths[15:], lengths[16:], strict=False)]
    assert set(steps) == {31}


def test_an_artifact_is_compared_with_its_own_weights(tmp_path: Path) -> None:
    artifact = exported_artifact(tmp_path / "artifact")
    facts = verify_parity(artifact)
    assert facts["min_cosine"] > 0.99999
    assert facts["batch_invariance"] > 0.99999
    asked = OnnxEncoder(artifact)
    assert facts["texts"] == len(probe_lengths(asked.max_length)) - len(asked.tokenize([""])[0]) + 1


def test_without_pytorch_the_graph_is_compared_with_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    artifact = exported_artifact(tmp_path / "artifact")
    monkeypatch.setattr(module, "_torch_vectors", lambda *_: (None, "torch is not installed: pip install …"))
    facts = verify_parity(artifact)
    assert facts["not_compared"].startswith("torch is not installed")
    assert "min_cosine" not in facts
    assert facts["batch_invariance"] > 0.99999
